"""The benchmark: this service beside its peers, on one machine, in one run."""
