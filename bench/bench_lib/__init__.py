"""Measures a built availability guard beside the bare database.

One noun per module; the programs in bench/ put them together:

    failure     what ends a benchmark
    options     what the command lines have in common
    bed         PostgreSQL and the built service, started for measurements
    tables      the state of the tables before a measurement, and what is in them after it
    processor   processor time by process group
    memory      resident memory of the parts
    access_log  how nginx has answered
    wrk         one run of the load generator
    floor       one run of pgbench
    rows        what is measured: the rows of the table
    bulk        bulk releases, one after the other
    machine     what a reader has to know of the machine and the versions
    results     raw results as JSON
    spread      median, least and most
    tabular     tables in markdown
    chart       the chart, written as SVG
    report      the report of bench/run
    compare     two results, row by row
    growth      cost as the table grows
    overload    more load than can be served
    open_loop   the load generator of that
    grpc        new locks by gRPC, and their load generator
"""
