"""What softlab has on record, and the networks that come along: the folders `records` and `zoo`, data without code."""
