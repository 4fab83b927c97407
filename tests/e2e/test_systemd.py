# SPDX-License-Identifier: Apache-2.0
"""contrib/systemd: the unit is understood and hardened, as systemd itself judges it; its user and its directories come
out with the owners and modes that the design asks for. The service manager itself is not run."""
import os
import pathlib
import re
import shutil
import stat
import subprocess

import procs
import pytest

PLACE = procs.REPO / "contrib" / "systemd"


def need(program):
    if shutil.which(program) is None:
        pytest.skip("no %s here" % program)
    return program


@pytest.fixture
def unit(workdir, built):
    path = workdir / "lineaged.service"
    bindir = pathlib.Path(built("lineaged")).parent
    path.write_text((PLACE / "lineaged.service.in").read_text().replace("@CMAKE_INSTALL_FULL_BINDIR@", str(bindir)))
    assert "@" not in re.sub(r"@system-service", "", path.read_text())
    return path


def test_unit_is_understood(unit):
    done = subprocess.run([need("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no", str(unit)],
                          capture_output=True, text=True, timeout=120)
    told = [line for line in (done.stdout + done.stderr).splitlines() if "lineaged" in line]
    assert done.returncode == 0 and not told, done.stdout + done.stderr


def test_unit_is_hardened(unit):
    """The exposure that systemd computes, 0 (least) to 100; an ordinary service has 96."""
    done = subprocess.run([need("systemd-analyze"), "security", "--offline=yes", "--threshold=25", "--no-pager",
                           str(unit)], capture_output=True, text=True, timeout=120)
    if "unrecognized option" in done.stderr or "Unknown" in done.stderr:
        pytest.skip("systemd-analyze is too old for security --offline")
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr


def test_agent_works_with_what_the_unit_gives(unit):
    """What the unit says of places is where the agent looks: state, socket, settings."""
    text = unit.read_text()
    for line in ("Type=notify", "User=lineaged", "StateDirectory=lineaged", "RuntimeDirectory=lineaged",
                 "NoNewPrivileges=yes", "ProtectSystem=strict"):
        assert "\n%s\n" % line in text, line
    assert re.search(r"^ExecStart=/\S+/lineaged --system$", text, re.M)


def test_user_and_directories(workdir):
    """In an empty root: made by systemd's own tools."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make users in another root")
    root = workdir / "root"
    (root / "etc").mkdir(parents=True)
    for program, where, name in (("systemd-sysusers", "sysusers.d", "sysusers.conf"),
                                 ("systemd-tmpfiles", "tmpfiles.d", "tmpfiles.conf")):
        place = root / "usr" / "lib" / where
        place.mkdir(parents=True)
        shutil.copy(PLACE / name, place / "lineaged.conf")
        done = subprocess.run([need(program), *(["--create"] if program.endswith("files") else []),
                               "--root=%s" % root], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    passwd = (root / "etc" / "passwd").read_text()
    uid = int(re.search(r"^lineaged:[^:]*:(\d+):", passwd, re.M).group(1))
    assert re.search(r"^lineaged:", (root / "etc" / "group").read_text(), re.M)
    for path, mode, owner in (("etc/lineaged", 0o755, 0), ("var/lib/lineaged", 0o755, uid),
                              ("var/lib/lineaged/journal", 0o3777, uid), ("run/lineaged", 0o755, uid)):
        found = (root / path).stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (mode, owner), path
