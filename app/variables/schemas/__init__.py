"""What requests about variables must look like, and what answers do."""
