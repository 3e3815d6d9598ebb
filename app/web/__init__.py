"""What JSON routes share: authentication, bodies, errors, paging. The only Flask glue outside the pages."""
