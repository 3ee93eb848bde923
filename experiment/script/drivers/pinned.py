#!/usr/bin/env python3
# Has varve put version @VERSION@ of @NAME@ back. Needs Python 3.6 or newer, the vault, and a varve with one of the SHA-256 in
# rollback.lock. rollback.sh and rollback.ps1 do the same. README.txt says more.
import hashlib, os, platform, subprocess, sys

SNAPSHOT, PROJECT = "@SNAPSHOT@", "@PROJECT@"
VAULT = @VAULT@
TARGET = @TARGET@
LOCK, MANIFEST = "@SHA_LOCK@", "@SHA_MANIFEST@"
PINS = """@PINS@"""
USAGE = """usage: rollback.py [--to DIR | DIR] [--dry-run] [--only PATH]... [--yes]
"""
HERE = os.path.dirname(os.path.abspath(__file__))


class Stop(Exception):
    def __init__(self, code, text):
        Exception.__init__(self, text)
        self.code = code


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            h.update(block)
    return h.hexdigest()


def system():
    arch = {"x86_64": "amd64", "aarch64": "arm64", "i386": "386", "i686": "386"}.get(platform.machine().lower(), platform.machine().lower())
    return platform.system().lower() + "/" + arch


def find_varve():
    wanted = [line.split()[0] for line in PINS.splitlines() if line.split()[1:] == [system()]]
    exe = ".exe" if os.name == "nt" else ""
    here = system().replace("/", "-")
    places = [os.path.join(HERE, "varve-" + here + exe), os.path.join(HERE, "varve" + exe)]
    places += [os.path.join(d, "varve" + exe) for d in os.environ.get("PATH", "").split(os.pathsep) if d]
    places.append(os.environ.get("VARVE", ""))
    other = None
    for place in places:
        if place and os.path.isfile(place):
            try:
                if sha256(place) in wanted:
                    return os.path.abspath(place)
            except OSError:
                continue
            other = other or place
    if other:
        raise Stop(20, "%s is not a varve that this script was made with; nothing was touched" % other)
    raise Stop(1, "there is no varve beside this script, in PATH or in the variable VARVE; nothing was touched")


def arguments(args):
    target, dry, yes, only = None, False, False, []
    while args:
        a = args.pop(0)
        name, eq, value = a.partition("=")
        if a in ("--help", "-h"):
            sys.stdout.write(USAGE)
            raise SystemExit(0)
        if a in ("--dry-run", "-n"):
            dry = True
        elif a in ("--yes", "-y"):
            yes = True
        elif name in ("--to", "--only"):
            if not eq:
                if not args:
                    raise Stop(2, name + " needs a value")
                value = args.pop(0)
            if name == "--only":
                only.append(sub_path(value))
            else:
                target = one(target, value)
        elif a == "--":
            for value in args:
                target = one(target, value)
            args = []
        elif a.startswith("-"):
            raise Stop(2, "unknown option %s; --help lists them" % a)
        else:
            target = one(target, a)
    target = TARGET if target is None else target
    if not target:
        raise Stop(2, "no target folder is known; name one with --to DIR")
    return os.path.abspath(target), dry, yes, only


def one(target, value):
    if target is not None:
        raise Stop(2, "there is more than one target folder")
    if value == "":
        raise Stop(2, "the target folder is empty")
    return value


def sub_path(value):
    path = value.replace("\\", "/") if os.name == "nt" else value
    while path.startswith("./"):
        path = path[2:]
    path = path.rstrip("/")
    if path in ("", ".") or path.startswith("/") or set(path.split("/")) & {"", ".", ".."}:
        raise Stop(2, "--only takes a path inside of the project, not %s" % value)
    return path


def of_project(target):
    try:
        with open(os.path.join(target, ".varve", "project.toml"), encoding="utf-8") as f:
            return PROJECT in f.read()
    except (OSError, ValueError):
        return False


def run(args):
    target, dry, yes, only = arguments(args)
    try:
        if sha256(os.path.join(HERE, "rollback.lock")) != LOCK:
            raise Stop(20, "rollback.lock is not what this script was made with: its SHA-256 is wrong; nothing was touched")
    except OSError:
        raise Stop(20, "rollback.lock cannot be read; nothing was touched")
    varve = find_varve()
    here = of_project(target)
    if not here and os.path.lexists(target) and (not os.path.isdir(target) or os.listdir(target)):
        raise Stop(1, "%s is neither the project's folder nor empty; nothing was touched" % target)
    if not dry and not yes:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise Stop(2, "nobody can be asked here: add --yes, or --dry-run to see what would be done; nothing was touched")
        sys.stdout.write("put @VERSION@ back in %s? [y/N] " % target)
        sys.stdout.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Stop(1, "not confirmed, nothing was touched")
    vault = [varve, "--vault", VAULT]
    listed = subprocess.run(vault + ["-q", "--project", PROJECT, "manifest", SNAPSHOT], stdout=subprocess.PIPE)
    if listed.returncode:
        raise Stop(listed.returncode, "the vault does not give the version; nothing was touched")
    if hashlib.sha256(listed.stdout).hexdigest() != MANIFEST:
        raise Stop(20, "the vault has something else for this version; nothing was touched")
    rest = ["--dry-run"] if dry else []
    if here:
        command = vault + ["-C", target, "--yes", "restore"] + rest + ["--", SNAPSHOT] + [os.path.join(target, *p.split("/")) for p in only]
    else:
        command = vault + ["--project", PROJECT, "--yes", "restore", "--to", target] + rest + ["--", SNAPSHOT] + only
    code = subprocess.run(command).returncode
    if code == 0 and not dry and not only:
        checked = subprocess.run(vault + ["-q", "--project", PROJECT, "manifest", "--check", target, SNAPSHOT]).returncode
        if checked:
            raise Stop(20, "%s is not as in @VERSION@ after all; varve undo brings back how it was" % target)
    return code if code >= 0 else 130


def main():
    try:
        return run(sys.argv[1:])
    except Stop as err:
        sys.stderr.write("rollback: %s\n" % err)
        return err.code
    except KeyboardInterrupt:
        sys.stderr.write("rollback: interrupted\n")
        return 130
    except OSError as err:
        sys.stderr.write("rollback: %s\n" % err)
        return 1


if __name__ == "__main__":
    sys.exit(main())
