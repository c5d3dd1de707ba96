"""A newcomer's empty Debian: made once, its programs installed as the page says; each run is laid over it in memory.

Everything happens in namespaces of its own (mounts, processes, and from section 3 on the network): when the first
process ends, however it ends, its services and its mounts are gone. Packages come from where this machine has them.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-to" / "production.md"
HERE = Path(__file__).parent
SECTION = re.compile(r"^## (\d)\. .*?(?=^## )", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```sh(?: systemd)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMES = "127.0.0.1 localhost auth.hospital.example fhir.hospital.example\n"
ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child")
LIMIT_SECONDS = 600
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FROM_OUTSIDE = ("PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "http_proxy", "https_proxy", "no_proxy")
LAID_OVER = """
mount -t tmpfs -o mode=0755 tmpfs "$MEMORY"
mkdir "$MEMORY/upper" "$MEMORY/work" "$MEMORY/root"
mount -t overlay overlay -o "lowerdir=$MACHINE,upperdir=$MEMORY/upper,workdir=$MEMORY/work" "$MEMORY/root"
cp -a "$BROUGHT/." "$MEMORY/root/"
mount -t proc proc "$MEMORY/root/proc"
mkdir -p "$MEMORY/root/dev/shm"
mount -t tmpfs tmpfs "$MEMORY/root/dev/shm"
chroot "$MEMORY/root" bash -eu /opt/brought/with-network.sh
cp "$BROUGHT/opt/brought/hosts" "$MEMORY/root/etc/hosts"
exec unshare --net chroot "$MEMORY/root" bash -eu /opt/brought/alone.sh
"""


def sections() -> dict[int, str]:
    """The commands of each numbered section of the page."""
    return {int(found[1]): "\n".join(BLOCK.findall(found[0])) for found in SECTION.finditer(PAGE.read_text())}


def environment() -> dict[str, str]:
    taken = {name: os.environ[name] for name in FROM_OUTSIDE if name in os.environ}
    return taken | {"PATH": PATHS, "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def run(script: str, **variables: str) -> str:
    """Run a script of the root user in namespaces of its own; gives what it says, or shows all of it."""
    done = subprocess.run(
        [*ALONE, "bash", "-eu", "-c", script],
        env=environment() | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@dataclass(frozen=True, slots=True)
class Archive:
    site: str
    release: str


def archive() -> Archive:
    """Where this machine has Debian from, and which."""
    words = ["apt-get", "indextargets", "--format", "$(SITE) $(CODENAME)", "Created-By: Packages"]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return Archive(told[0], told[1])


def machine() -> Path:
    """The folder of the Debian with the page's programs; the work of two minutes is kept until either changes."""
    debian, programs = archive(), sections()[1]
    mark = hashlib.sha256(f"{debian.release}\n{programs}".encode()).hexdigest()[:16]
    made = ROOT / "build" / f"newcomer-{mark}"
    if made.exists():
        return made
    begun = made.with_suffix(".begun")
    begun.parent.mkdir(exist_ok=True)
    for older in begun.parent.glob("newcomer-*"):  # of other programs, or stopped halfway
        shutil.rmtree(older)
    run(
        'debootstrap --variant=minbase "$RELEASE" "$BEGUN" "$SITE"',
        RELEASE=debian.release,
        BEGUN=str(begun),
        SITE=debian.site,
    )
    bring_the_archives(begun)
    run(
        'mount -t proc proc "$BEGUN/proc"\nexec chroot "$BEGUN" bash -eu -c "$PROGRAMS"',
        BEGUN=str(begun),
        PROGRAMS=programs,
    )
    begun.rename(made)
    return made


def bring_the_archives(root: Path) -> None:
    """apt's sources, names and authorities of this machine; a package's service is not started when it is installed."""
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    for path in (Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("debian.sources")):
        if path.exists():
            shutil.copy(path, root / str(path).lstrip("/"))
    for name in ("etc/resolv.conf", "etc/hosts"):
        shutil.copy(f"/{name}", root / name)
    authorities = Path("/usr/local/share/ca-certificates")
    shutil.copytree(authorities, root / "usr/local/share/ca-certificates", dirs_exist_ok=True)
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)


def bring(folder: Path, story: str) -> None:
    """What lies in the machine before the newcomer begins: the source, a systemctl, and the two scripts."""
    source = folder / "opt" / "authz"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as writer:
        for name in files.split("\0"):
            if name and (ROOT / name).exists():
                writer.add(ROOT / name, name)
    packed.seek(0)
    with tarfile.open(fileobj=packed) as reader:
        reader.extractall(source, filter="data")
    stand_in = folder / "usr" / "local" / "bin" / "systemctl"
    stand_in.parent.mkdir(parents=True)
    stand_in.write_text("#!/usr/bin/python3\n" + (HERE / "systemctl.py").read_text())
    stand_in.chmod(0o755)
    brought = folder / "opt" / "brought"
    brought.mkdir()
    page = sections()
    pip = "/opt/fhir-server/bin/pip install -q --require-hashes -r /opt/authz/requirements/fhir-server.txt"
    server = f"python3 -m venv /opt/fhir-server\n{pip}"
    (brought / "hosts").write_text(NAMES)
    (brought / "with-network.sh").write_text("\n".join([page[2], server]))
    rest = [page[number] for number in sorted(page) if number > 2]
    before = (HERE / "before.sh").read_text()
    (brought / "alone.sh").write_text("\n".join([before, *rest, story]))


def install(folder: Path, story: str) -> str:
    """Follow the page to its end, then the story; gives what the story says."""
    brought, memory = folder / "brought", folder / "memory"
    memory.mkdir()
    bring(brought, story)
    return run(LAID_OVER, MACHINE=str(machine()), BROUGHT=str(brought), MEMORY=str(memory))
