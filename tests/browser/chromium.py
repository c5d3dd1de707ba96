"""How every test starts Chromium: quiet on the network, and as a person's browser in what it keeps apart."""

from __future__ import annotations

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The test tool switches storage partitioning off; people's browsers have it on. The last such switch counts.
    # A click into a frame that was moved just now is thrown away, against clickjacking: a test is faster than a person.
    (
        "--disable-features=HttpsUpgrades,MediaRouter,OptimizationHints,NetworkTimeServiceQuerying,PreconnectToSearch,"
        "DiscardInputEventsToRecentlyMovedFrames"
    ),
]
