"""`python -m payment_sandbox`: serve until stopped. Secrets come from the environment, not the command line."""

import argparse
import os
import sys
from pathlib import Path

from payment_sandbox.books import Books
from payment_sandbox.server import Server
from payment_sandbox.webhooks import Teller


def main() -> int:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m payment_sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8095)
    parser.add_argument("--database", default="payment_sandbox.sqlite", help="the books; they survive everything")
    parser.add_argument("--webhook-url", required=True, help="where the shop wants to be told")
    parser.add_argument("--public-url", default="", help="how payers reach this server")
    parser.add_argument("--slow-s", type=float, default=5.0, help="how late the slow card's word comes")
    asked = parser.parse_args()
    api_key, secret = os.environ.get("PAYMENT_API_KEY"), os.environ.get("PAYMENT_WEBHOOK_SECRET")
    if not api_key or not secret:
        print("PAYMENT_API_KEY and PAYMENT_WEBHOOK_SECRET have to be set.", file=sys.stderr)  # noqa: T201
        return 2
    Path(asked.database).parent.mkdir(parents=True, exist_ok=True)
    books = Books(asked.database, slow_s=asked.slow_s)
    teller = Teller(books, url=asked.webhook_url, secret=secret)
    server = Server(
        (asked.host, asked.port), books=books, teller=teller, api_key=api_key, public_url=asked.public_url
    )
    teller.start()
    print(f"payment sandbox on port {server.server_address[1]}", flush=True)  # noqa: T201
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
