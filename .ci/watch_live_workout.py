"""Signs in as the demo's strap wearer and watches her live workout for the rest of a minute."""

import asyncio
import json
import sys
import time
from pathlib import Path

import httpx
from websockets.asyncio.client import connect

WATCHED_S = 45


async def main(url: str, logins: Path) -> None:
    """Heart-rate frames must keep coming; the pages must answer."""
    wearer = json.loads(logins.read_text())[0]
    with httpx.Client(base_url=url, timeout=10) as http:
        for page in ("/", "/api/v1/docs/", "/api/v1/schema/", "/admin/login/", "/readyz", "/metrics"):
            http.get(page).raise_for_status()
        form = {"email": wearer["email"], "password": wearer["password"]}
        token = http.post("/api/v1/identity/login", json=form).raise_for_status().json()["access"]
        sessions = http.get("/api/v1/workout/sessions", headers={"Authorization": f"Bearer {token}"}).json()["items"]
    live = next(session for session in sessions if session["state"] == "active")
    address = f"{url.replace('http', 'ws')}/ws/v1/workout/sessions/{live['id']}"
    beats, until = 0, time.monotonic() + WATCHED_S
    async with connect(address, subprotocols=["stayer.v1", f"bearer.{token}"]) as socket:
        while (left := until - time.monotonic()) > 0:
            try:
                frame = json.loads(await asyncio.wait_for(socket.recv(), left))
            except TimeoutError:
                break
            beats += len(frame.get("heart_rate", []))
    sys.stdout.write(f"{beats} heart-rate samples in {WATCHED_S} s\n")
    if beats < WATCHED_S / 2:
        sys.exit("the strap's heart rate does not reach the live workout")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
