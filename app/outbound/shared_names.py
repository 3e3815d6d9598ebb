"""Names under which a provider gives anybody a name of their own. Pure.

The public suffix list knows those whose owners asked to be on it; these did not. A wildcard over one would let an
editor who has a name there read a restricted value.
"""

from __future__ import annotations

from datetime import date
from typing import Final

LOOKED_AT: Final = date(2026, 11, 29)
"""When each of these was last looked at in its provider's own documentation."""

SHARED_NAMES: Final = frozenset(
    {
        "zendesk.com",
        "okta.com",
        "oktapreview.com",
        "okta-emea.com",
        "auth0.com",
        "us.auth0.com",
        "eu.auth0.com",
        "au.auth0.com",
        "onelogin.com",
        "atlassian.net",
        "jira.com",
        "my.salesforce.com",
        "sandbox.my.salesforce.com",
        "lightning.force.com",
        "my.site.com",
        "service-now.com",
        "slack.com",
        "freshdesk.com",
        "freshservice.com",
        "myfreshworks.com",
        "intercom.help",
        "helpscoutdocs.com",
        "workday.com",
        "myworkday.com",
        "bamboohr.com",
        "sharepoint.com",
        "dynamics.com",
        "crm.dynamics.com",
        "my.workfront.com",
        "monday.com",
        "box.com",
        "datadoghq.com",
        "pagerduty.com",
        "splunkcloud.com",
        "sumologic.com",
        "newrelic.com",
        "snowflakecomputing.com",
        "cloud.databricks.com",
        "azuredatabricks.net",
        "elastic-cloud.com",
        "mongodb.net",
        "firebaseio.com",
        "mailchimp.com",
        "api.mailchimp.com",
        "pipedrive.com",
        "hubspot.com",
        "quickbase.com",
        "smartsheet.com",
        "chargebee.com",
        "recurly.com",
        "zuora.com",
        "shopify.com",
        "bigcommerce.com",
        "wordpress.com",
        "webhook.site",
        "requestcatcher.com",
        "pipedream.net",
        "m.pipedream.net",
        "loca.lt",
        "serveo.net",
        "hookdeck.com",
        "beeceptor.com",
        "mockapi.io",
        "free.beeceptor.com",
    }
)


def is_shared(host: str) -> bool:
    """Tell whether anybody can have a name directly under this one from its provider."""
    return host in SHARED_NAMES
