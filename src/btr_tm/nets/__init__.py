"""The quantile network and its interchangeable parts."""
