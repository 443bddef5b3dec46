"""From downloaded pictures to shards of uint8 records (paper, section 2), once and for all.

:func:`list_source` lists the inputs, workers convert them in chunks, one thread appends records in
the order of the list, and the state goes to the disk now and then, so that a killed preparation
goes on. Every input is a function of its own bytes and the sums are of whole numbers: neither the
number of workers nor an interruption changes a byte.
"""
