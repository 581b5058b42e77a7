"""From raw samples to ratios with intervals: what every other room of the analysis stands on."""
