"""Asks DuckDB the questions of the bench `million` about the same rows.

    pip install duckdb
    cargo run --release -p huntbook-kql --example million_rows -- /tmp/rows.csv > /tmp/questions.tsv
    python3 crates/kql/benches/beside_duckdb.py /tmp/rows.csv /tmp/questions.tsv

Prints the median of five runs for each question, with two threads and the rows in memory.
"""

import statistics
import sys
import time

import duckdb


def main() -> None:
    rows, questions = sys.argv[1:3]
    connection = duckdb.connect()
    connection.execute("set threads = 2")
    connection.execute(f"create table events as select * replace (Timestamp::timestamp as Timestamp) from read_csv('{rows}', header = true)")
    for line in open(questions, encoding="utf-8"):
        title, sql = line.rstrip("\n").split("\t")
        times = []
        for _ in range(5):
            start = time.perf_counter()
            answer = connection.execute(sql).fetchall()
            times.append(time.perf_counter() - start)
        print(f"{title:45} {statistics.median(times) * 1000:8.1f} ms  {len(answer)} rows")


main()
