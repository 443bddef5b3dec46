"""Prepared data sets: uint8 records of one size, as `alexnet-native prepare` makes them."""
