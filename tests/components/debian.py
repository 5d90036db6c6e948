"""Components that are Debian packages: installed for the whole machine, never started as services."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.components.cache import locked
from tests.components.command import run
from tests.components.component import Missing

# invoke-rc.d and deb-systemd-invoke ask this program before they start a service; 101 means "don't".
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\nexit 101\n"
BOOTED_WITH_SYSTEMD = Path("/run/systemd/system")
SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
UPDATE_DEADLINE = 180.0
INSTALL_DEADLINE = 600.0


@dataclass(frozen=True, slots=True)
class DebianPackages:
    name: str
    packages: tuple[str, ...]
    programs: tuple[str, ...]
    services: tuple[str, ...] = ()

    def find(self) -> Path | None:
        """The first program, if all of them are there."""
        found = [find_program(program) for program in self.programs]
        return found[0] if all(found) else None

    def install(self) -> None:
        install_packages(self.packages, self.services, self.find)
        if not self.find():
            raise Missing(f"Debian's {' '.join(self.packages)} lacks {' or '.join(self.programs)}")


def install_packages(packages: tuple[str, ...], services: tuple[str, ...], find: Callable[[], Path | None]) -> None:
    """Unless `find` says that they are there; one process at a time. Raises Missing."""
    privilege = _privilege()
    with locked("apt"):
        if find():
            return
        with _services_stay_down(privilege):
            _apt_install(privilege, packages)
        _forget_services(privilege, services)


def find_program(program: str) -> Path | None:
    """Looks on PATH and where Debian keeps servers, which a user's PATH often leaves out."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *SYSTEM_FOLDERS))
    found = shutil.which(program, path=path)
    return Path(found) if found else None


def _privilege() -> tuple[str, ...]:
    if not shutil.which("apt-get"):
        raise Missing(f"no apt-get on this machine ({sys.platform}); install it and put it on PATH")
    if os.geteuid() == 0:
        return ()
    try:
        run(("sudo", "-n", "true"), deadline=10)
    except Missing:
        raise Missing("apt-get needs root or a sudo that asks no password") from None
    return ("sudo", "-n")


def _apt_install(privilege: tuple[str, ...], packages: tuple[str, ...]) -> None:
    lock = ("-o", "DPkg::Lock::Timeout=300", "-q")
    run((*privilege, "apt-get", *lock, "update"), UPDATE_DEADLINE)
    noninteractive = ("env", "DEBIAN_FRONTEND=noninteractive")
    install = ("apt-get", *lock, "install", "-y", "--no-install-recommends", *packages)
    run((*privilege, *noninteractive, *install), INSTALL_DEADLINE)


@contextmanager
def _services_stay_down(privilege: tuple[str, ...]) -> Iterator[None]:
    if POLICY.exists():
        yield  # the machine has a policy of its own, which is not ours to change
        return
    script = f"printf '%s' '{POLICY_TEXT}' > {POLICY} && chmod 755 {POLICY}"
    run((*privilege, "sh", "-c", script), deadline=10)
    try:
        yield
    finally:
        run((*privilege, "rm", "-f", POLICY), deadline=10)


def _forget_services(privilege: tuple[str, ...], services: tuple[str, ...]) -> None:
    """Stops and disables what came with the packages, which was only wanted for tests."""
    if services and shutil.which("systemctl"):
        now = ("--now",) if BOOTED_WITH_SYSTEMD.exists() else ()
        run((*privilege, "systemctl", "disable", *now, *services), deadline=60)
