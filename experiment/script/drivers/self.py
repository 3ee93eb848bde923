#!/usr/bin/env python3
# Puts version @VERSION@ of @NAME@ back. Needs Python 3.6 or newer and the files beside it; no varve, no vault, no network.
# rollback.sh and rollback.ps1 do the same. README.txt says what happens and what the exit codes mean.
import hashlib, os, re, shutil, signal, stat, sys, tarfile, time

VERSION = "@VERSION@"
SNAPSHOT = "@SNAPSHOT@"
TARGET = @TARGET@
PINS = (
    ("ENTRIES", "@SHA_ENTRIES@"),
    ("MANIFEST.json", "@SHA_MANIFEST@"),
    ("SHA256SUMS", "@SHA_SUMS@"),
    ("payload.tar.gz", "@SHA_PAYLOAD@"),
)
USAGE = """usage: rollback.py [--to DIR | DIR] [--dry-run] [--only PATH]... [--yes]
  --to DIR     the folder to put back (else the one it was taken from)
  --dry-run    only say what would be done
  --only PATH  only this file or folder of the version, at its own place; repeatable
  --yes        do not ask
"""
HERE = os.path.dirname(os.path.abspath(__file__))
WINDOWS = os.name == "nt"
state = {"work": None, "backup": None, "touched": False}


class Stop(Exception):
    def __init__(self, code, text):
        Exception.__init__(self, text)
        self.code = code


def write(stream, text):
    stream.flush()
    out = getattr(stream, "buffer", None)
    if out is None:
        stream.write(text)
    else:
        out.write(text.encode("utf-8", "surrogateescape"))
    stream.flush()


def say(text):
    write(sys.stderr, "rollback: " + text + "\n")


def out(text):
    write(sys.stdout, text + "\n")


def escape(text):
    return re.sub(r"[\x00-\x1f\x7f\\]", lambda m: "\\0%03o" % ord(m.group(0)), text)


def decode(text):
    return re.sub(r"\\0([0-7]{3})", lambda m: chr(int(m.group(1), 8)), text)


def sha256(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            h.update(block)
    return h.hexdigest()


def check_pins():
    for name, want in PINS:
        try:
            got = sha256(os.path.join(HERE, name))
        except OSError as err:
            raise Stop(20, "%s cannot be read: %s; nothing was touched" % (name, err.strerror))
        if got != want:
            raise Stop(20, "%s is not what this script was made with: its SHA-256 is wrong; nothing was touched" % name)


class Entry(object):
    __slots__ = ("type", "mode", "ns", "sha", "shown", "path", "target", "index")


def read_entries():
    entries = []
    with open(os.path.join(HERE, "ENTRIES"), "rb") as f:
        lines = f.read().decode("utf-8", "surrogateescape").split("\n")
    for number, line in enumerate(lines[1:-1]):
        field = line.split("\t")
        e = Entry()
        e.type, e.mode, e.ns, e.sha, e.shown = field[0], int(field[1], 8), int(field[2]), field[5], field[6]
        e.path, e.target, e.index = decode(field[6]), decode(field[7]), number
        entries.append(e)
    return entries


def arguments(args):
    target, dry, yes, only = None, False, False, []
    while args:
        a = args.pop(0)
        if a in ("--help", "-h"):
            write(sys.stdout, USAGE)
            raise SystemExit(0)
        if a in ("--dry-run", "-n"):
            dry = True
        elif a in ("--yes", "-y"):
            yes = True
        elif a in ("--to", "--only") or a.startswith("--to=") or a.startswith("--only="):
            name, eq, value = a.partition("=")
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
            raise Stop(2, "unknown option %s; --help lists them" % escape(a))
        else:
            target = one(target, a)
    return TARGET if target is None else target, dry, yes, only


def one(target, value):
    if target is not None:
        raise Stop(2, "there is more than one target folder")
    if value == "":
        raise Stop(2, "the target folder is empty")
    return value


def sub_path(value):
    if WINDOWS:
        value = value.replace("\\", "/")
    path = value
    while path.startswith("./"):
        path = path[2:]
    path = path.rstrip("/")
    if path in ("", ".") or path.startswith("/") or ".." in path.split("/") or "." in path.split("/") or "" in path.split("/"):
        raise Stop(2, "--only takes a path inside of the project, not %s" % escape(value))
    return path


def locate(target):
    if target == "":
        raise Stop(2, "no target folder is known; name one with --to DIR")
    if "\n" in target or "\r" in target:
        raise Stop(2, "the name of the target folder has a line break; name another with --to DIR")
    if os.path.lexists(target) and not os.path.isdir(target):
        raise Stop(1, "%s is not a folder; nothing was touched" % target)
    target = os.path.realpath(target)
    if os.path.dirname(target) == target:
        raise Stop(2, "the root of a disk is no target folder")
    here = os.path.realpath(HERE)
    if here == target or os.path.dirname(target).startswith(here + os.sep) or target.startswith(here + os.sep):
        raise Stop(2, "the target folder is the one of this script; name another with --to DIR")
    return target


def in_scope(path, only):
    return not only or any(path == o or path.startswith(o + "/") for o in only)


def kind(path):
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):
        return ""
    if stat.S_ISLNK(mode):
        return "l"
    if stat.S_ISDIR(mode):
        return "d"
    return "f" if stat.S_ISREG(mode) else "o"


def at(base, path):
    name = os.path.join(base, *path.split("/"))
    if WINDOWS and len(name) > 240 and not name.startswith("\\\\"):
        name = "\\\\?\\" + name
    return name


def same(e, path):
    """Tells whether what lies at path has the content of the entry."""
    if kind(path) != e.type:
        return False
    try:
        if e.type == "l":
            return os.readlink(path).replace("\\", "/") == e.target.replace("\\", "/") if WINDOWS else os.readlink(path) == e.target
        return e.type == "d" or sha256(path) == e.sha
    except OSError:
        return False


def make_plan(target, entries, only):
    """Returns [(word, entry)] and the shown names of what is there and not of the version."""
    scope = [e for e in entries if in_scope(e.path, only)]
    known = {e.path: e for e in entries}
    for o in only:
        if o not in known:
            raise Stop(1, "%s has no %s; nothing was touched" % (VERSION, escape(o)))
        parts = o.split("/")
        for n in range(1, len(parts)):
            above = "/".join(parts[:n])
            if kind(at(target, above)) not in ("", "d"):
                raise Stop(1, "%s is not a folder in the target, and not asked for; nothing was touched" % escape(above))
    plan, extra, blocked = [], [], None
    folders = [] if only or kind(target) != "d" else [("", target)]
    for e in scope:
        path = at(target, e.path)
        if blocked is not None and e.path.startswith(blocked):
            plan.append(("restore", e))
            continue
        blocked = None
        k = kind(path)
        if same(e, path):
            plan.append(("unchanged", e))
            if e.type == "d":
                folders.append((e.path + "/", path))
            continue
        plan.append(("overwrite" if k else "restore", e))
        if e.type == "d":
            blocked = e.path + "/"
    for prefix, folder in folders:
        for name in os.listdir(folder):
            if prefix + name not in known:
                extra.append(escape(prefix + name) + ("/" if kind(os.path.join(folder, name)) == "d" else ""))
    return plan, sorted(extra, key=lambda s: s.encode("utf-8", "surrogateescape"))


def shown(e):
    return e.shown + ("/" if e.type == "d" else "")


def tell_plan(plan, extra):
    words = {"restore": "would restore    ", "unchanged": "unchanged        ", "overwrite": "would overwrite  "}
    for word, e in plan:
        out(words[word] + shown(e))
    for name in extra:
        out("extra left       " + name)
    out("would restore %d, overwrite %d; unchanged %d, extra left %d" % counts(plan, extra))


def counts(plan, extra):
    n = {"restore": 0, "overwrite": 0, "unchanged": 0}
    for word, _ in plan:
        n[word] += 1
    return n["restore"], n["overwrite"], n["unchanged"], len(extra)


def alive(pid):
    if WINDOWS:
        import ctypes
        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, pid)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def force_remove(path):
    def again(func, name, _):
        for p in (os.path.dirname(name), name):
            try:
                os.chmod(p, stat.S_IRWXU)
            except OSError:
                pass
        func(name)
    if os.path.isdir(path) and not os.path.islink(path):
        for folder, names, _ in os.walk(path):
            for n in names:
                p = os.path.join(folder, n)
                if not os.path.islink(p):
                    os.chmod(p, stat.S_IRWXU)
        shutil.rmtree(path, onerror=again)
    elif os.path.lexists(path):
        os.remove(path)


def earlier_run(work, dry):
    """Takes away what an interrupted run has left. Its backup stays."""
    if not os.path.lexists(work):
        return
    try:
        with open(os.path.join(work, "pid")) as f:
            pid = int(f.read().strip() or "0")
    except (OSError, ValueError):
        pid = 0
    if pid > 0 and pid != os.getpid() and alive(pid):
        raise Stop(11, "another rollback of this folder is running (process %d); if that is wrong, remove %s" % (pid, work))
    try:
        with open(os.path.join(work, "backup-is"), "rb") as f:
            say("an earlier run was interrupted: what it replaced is in %s; run it again for the same paths to finish it" % f.read().decode("utf-8", "surrogateescape").rstrip("\n"))
    except OSError:
        pass
    if not dry:
        force_remove(work)


def begin(work):
    os.makedirs(os.path.dirname(work), exist_ok=True)
    try:
        os.mkdir(work, 0o700)
    except FileExistsError:
        raise Stop(11, "another rollback of this folder has just begun; nothing was touched")
    state["work"] = work
    put(os.path.join(work, "pid"), "%d\n" % os.getpid())


def put(path, text):
    with open(path + ".part", "wb") as f:
        f.write(text.encode("utf-8", "surrogateescape"))
        f.flush()
        os.fsync(f.fileno())
    os.replace(path + ".part", path)


def stage(tree, entries, wanted):
    """Unpacks the wanted entries below tree. The names are those of ENTRIES, so that none leads elsewhere."""
    os.mkdir(tree)
    with tarfile.open(os.path.join(HERE, "payload.tar.gz"), "r|gz", encoding="utf-8", errors="surrogateescape") as tar:
        rest = iter(entries)
        for member in tar:
            e = next(rest, None)
            if e is None:
                raise Stop(20, "payload.tar.gz has more than ENTRIES; nothing was touched")
            if e.index not in wanted:
                continue
            path = at(tree, e.path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if e.type == "d":
                os.makedirs(path, exist_ok=True)
            elif e.type == "l":
                try:
                    os.symlink(e.target, path)
                except (OSError, NotImplementedError) as err:
                    raise Stop(1, "the link %s cannot be made: %s; nothing was touched" % (e.shown, err))
                times(e, path)
            else:
                with open(path, "xb") as f:
                    shutil.copyfileobj(tar.extractfile(member), f, 1 << 20)
                    if not hasattr(os, "sync"):  # else one for all, before anything is put back
                        f.flush()
                        os.fsync(f.fileno())
                if not WINDOWS:
                    os.chmod(path, e.mode)
                times(e, path)
        if next(rest, None) is not None:
            raise Stop(20, "payload.tar.gz has less than ENTRIES; nothing was touched")


def times(e, path):
    try:
        os.utime(path, ns=(e.ns, e.ns), follow_symlinks=e.type != "l")
    except (OSError, NotImplementedError, OverflowError):
        pass


def settle(base, scope):
    """Sets modes and times, folders last and from below: work inside of a folder changes its time."""
    for e in sorted(scope, key=lambda e: (e.type == "d", -e.index)):
        path = at(base, e.path)
        if not WINDOWS and e.type != "l":
            os.chmod(path, e.mode)
        times(e, path)


def matches(e, path):
    """Is same, of a file that its own mode may hide from its owner."""
    if e.type != "f" or kind(path) != "f" or e.mode & 0o400 or WINDOWS:
        return same(e, path)
    os.chmod(path, e.mode | 0o400)
    try:
        return same(e, path)
    finally:
        os.chmod(path, e.mode)


def back_up(plan, target, work):
    """Copies what will be replaced to a folder beside the target, which appears whole or not at all."""
    doomed = [e for word, e in plan if word == "overwrite"]
    if not doomed:
        return
    inner = os.path.join(work, "backup")
    os.mkdir(inner)
    for e in doomed:
        source, copy = at(target, e.path), at(inner, e.path)
        try:
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            if kind(source) == "d":
                shutil.copytree(source, copy, symlinks=True)
            elif kind(source) in ("f", "l"):
                shutil.copy2(source, copy, follow_symlinks=False)
            else:
                raise Stop(1, "%s is in the way and is neither file, folder nor link; nothing was touched" % e.shown)
            if kind(source) == "f" and sha256(source) != sha256(copy):
                raise Stop(1, "%s changes while it is copied; nothing was touched" % e.shown)
        except (OSError, shutil.Error) as err:
            raise Stop(1, "%s cannot be copied to the backup: %s; nothing was touched" % (e.shown, err))
    stamp = target + time.strftime("_backup_%Y%m%d_%H%M%S")
    name, n = stamp, 1
    while os.path.lexists(name):
        n += 1
        name = "%s_%d" % (stamp, n)
    os.rename(inner, name)
    state["backup"] = name
    put(os.path.join(work, "backup-is"), name + "\n")


def move(source, dest):
    try:
        os.replace(source, dest)
    except OSError as err:
        if getattr(err, "errno", 0) != 18:  # the target is a disk of its own
            raise
        if kind(source) == "d":
            shutil.copytree(source, dest, symlinks=True)
        else:
            part = dest + ".varve-part"
            shutil.copy2(source, part, follow_symlinks=False)
            os.replace(part, dest)


def away(dest, e, planned, work):
    """Takes what is at dest out of the way. What the backup does not have, since it came after, goes there."""
    if planned:
        trash = os.path.join(work, "trash")
        os.makedirs(trash, exist_ok=True)
        move(dest, os.path.join(trash, str(e.index)))
        return
    if state["backup"] is None:
        raise Stop(1, "%s came while this was running, and was left" % e.shown)
    copy = at(state["backup"], e.path)
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    move(dest, copy)


def put_back(plan, target, tree, work):
    state["touched"] = True
    for word, e in plan:
        source, dest = at(tree, e.path), at(target, e.path)
        if word == "unchanged" or not os.path.lexists(source):
            continue  # it came with its folder
        folders_above(dest, target)
        k = kind(dest)
        if k == "d" and e.type == "d":
            continue
        if k and word == "overwrite":
            keep_newer(dest, e)
        if k and not (k == "f" and e.type == "f" and word == "overwrite"):
            away(dest, e, word == "overwrite", work)
        move(source, dest)


def keep_newer(dest, e):
    """Copies what was written since the backup was made."""
    copy = at(state["backup"], e.path)
    if kind(dest) != "f" or (kind(copy) == "f" and sha256(dest) == sha256(copy)):
        return
    while os.path.lexists(copy):
        copy += ".later"
    shutil.copy2(dest, copy)
    say("%s was written while this was running: that is in %s" % (e.shown, copy))


def folders_above(dest, target):
    parent = os.path.dirname(dest)
    if len(parent) > len(target):
        os.makedirs(parent, exist_ok=True)


def verify(base, scope):
    wrong = [e for e in scope if not matches(e, at(base, e.path))]
    for e in wrong[:20]:
        say("%s is not as in %s" % (e.shown, VERSION))
    return wrong


def confirm(target, yes, plan, extra):
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Stop(2, "nobody can be asked here: add --yes, or --dry-run to see what would be done; nothing was touched")
    restore, overwrite, unchanged, left = counts(plan, extra)
    write(sys.stdout, "restore %d and overwrite %d in %s? [y/N] " % (restore, overwrite, target))
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Stop(1, "not confirmed, nothing was touched")


def run(args):
    target, dry, yes, only = arguments(args)
    target = locate(target)
    check_pins()
    entries = read_entries()
    plan, extra = make_plan(target, entries, only)
    work = os.path.join(os.path.dirname(target), ".varve-restore-" + os.path.basename(target))
    if dry:
        earlier_run(work, True)
        tell_plan(plan, extra)
        return
    confirm(target, yes, plan, extra)
    earlier_run(work, False)
    begin(work)
    scope = [e for _, e in plan]
    tree = os.path.join(work, "tree")
    stage(tree, entries, {e.index for e in scope})
    if verify(tree, scope):
        raise Stop(1, "this disk does not hold the version as it is; nothing was touched")
    back_up(plan, target, work)
    if hasattr(os, "sync"):
        os.sync()
    if not only and kind(target) == "":
        settle(tree, scope)
        state["touched"] = True
        os.rename(tree, target)
    else:
        os.makedirs(target, exist_ok=True)
        put_back(plan, target, tree, work)
        settle(target, scope)
    if hasattr(os, "sync"):
        os.sync()
    wrong = verify(target, scope)
    finish(wrong, plan, extra, target)


def finish(wrong, plan, extra, target):
    work, state["work"] = state["work"], None
    if wrong:
        raise Stop(20, "%d of %d are not as in %s after all; %s" % (len(wrong), len(plan), VERSION, where()))
    force_remove(work)
    out("restored %d, overwrote %d; unchanged %d, extra left %d" % counts(plan, extra))
    if state["backup"]:
        out("what was replaced is in " + state["backup"])


def where():
    if state["backup"]:
        return "what was replaced is in " + state["backup"]
    return "nothing was replaced" if state["touched"] else "nothing was touched"


def main():
    def stop(*_):
        raise KeyboardInterrupt()
    signal.signal(signal.SIGTERM, stop)
    try:
        run(sys.argv[1:])
        return 0
    except Stop as err:
        code, text = err.code, str(err)
    except KeyboardInterrupt:
        code, text = 130, "interrupted; " + (where() + "; run this again to finish" if state["touched"] else "nothing was touched")
    except (OSError, shutil.Error, tarfile.TarError, EOFError) as err:
        code, text = 1, "%s; %s" % (err, where() + "; run this again to finish" if state["touched"] else "nothing was touched")
    if state["work"] and not state["touched"]:
        force_remove(state["work"])
    say(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
