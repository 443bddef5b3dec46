"""Converts downloaded images to shards of uint8 records (paper, section 2).

:func:`list_source` lists the inputs, worker threads convert them in chunks, and one thread appends
the records in the order of the list. The state is saved periodically, so that an interrupted
preparation can be continued. A record depends only on the bytes of its input and the statistics are
integer sums, so neither the number of workers nor an interruption changes the result.
"""
