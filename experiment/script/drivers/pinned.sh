#!/bin/sh
# Has varve put version @VERSION@ of @NAME@ back. Needs the vault, and a varve with one of the SHA-256 in rollback.lock.
# rollback.py and rollback.ps1 do the same. README.txt says more.
set -u

snapshot='@SNAPSHOT@'
project='@PROJECT@'
vault=@VAULT@
target=@TARGET@
pins='@PINS@'

stop() {
    printf 'rollback: %s\n' "$2" >&2
    exit "$1"
}

hash_of() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256
    else
        openssl dgst -sha256 -r
    fi 2>/dev/null | sed 's/^\([0-9a-f]\{64\}\).*/\1/;q'
}

one() {
    [ -z "$given" ] || stop 2 'there is more than one target folder'
    [ -n "$1" ] || stop 2 'the target folder is empty'
    target=$1
    given=yes
}

# sub_path sets sub to a path of the project.
sub_path() {
    sub=$1
    while [ "${sub#./}" != "$sub" ]; do sub=${sub#./}; done
    case $1 in
    /*) stop 2 "--only takes a path inside of the project, not $1" ;;
    esac
    while [ "${sub%/}" != "$sub" ]; do sub=${sub%/}; done
    case /$sub/ in
    // | */../* | */./* | *//*) stop 2 "--only takes a path inside of the project, not $1" ;;
    esac
}

system() {
    os=$(uname -s | tr '[:upper:]' '[:lower:]')
    case $os in
    mingw* | msys* | cygwin*) os=windows ;;
    esac
    arch=$(uname -m)
    case $arch in
    x86_64) arch=amd64 ;;
    aarch64) arch=arm64 ;;
    i?86) arch=386 ;;
    esac
}

# try PATH tells whether a program is one that may be used.
try() {
    [ -f "$1" ] || return 1
    [ -n "$other" ] || other=$1
    case $pins in
    *"$(hash_of <"$1") $os/$arch"*) varve=$1 ;;
    *) return 1 ;;
    esac
}

find_varve() {
    other='' varve=''
    system
    for place in "$here/varve-$os-$arch" "$here/varve-$os-$arch.exe" "$here/varve" "$here/varve.exe" "$(command -v varve 2>/dev/null)" "${VARVE-}"; do
        case $place in
        '') continue ;;
        /*) ;;
        *) place=$(pwd -P)/$place ;;
        esac
        if try "$place"; then return 0; fi
    done
    [ -z "$other" ] || stop 20 "$other is not a varve that this script was made with; nothing was touched"
    stop 1 'there is no varve beside this script, in PATH or in the variable VARVE; nothing was touched'
}

case $0 in
*/*) here=${0%/*} ;;
*) here=. ;;
esac
here=$(cd -- "${here:-/}" && pwd -P) || stop 1 'the folder of this script cannot be entered'

given='' dry='' yes='' count=$# paths=0
# The paths of --only are gathered behind the arguments, which go from the front.
while [ "$count" -gt 0 ]; do
    word=$1
    shift
    count=$((count - 1))
    case $word in
    --help | -h)
        echo 'usage: rollback.sh [--to DIR | DIR] [--dry-run] [--only PATH]... [--yes]'
        exit 0
        ;;
    --dry-run | -n) dry=yes ;;
    --yes | -y) yes=yes ;;
    --to | --only)
        [ "$count" -gt 0 ] || stop 2 "$word needs a value"
        value=$1
        shift
        count=$((count - 1))
        if [ "$word" = --to ]; then
            one "$value"
        else
            sub_path "$value"
            set -- "$@" "$sub"
            paths=1
        fi
        ;;
    --to=*) one "${word#--to=}" ;;
    --only=*)
        sub_path "${word#--only=}"
        set -- "$@" "$sub"
        paths=1
        ;;
    --)
        while [ "$count" -gt 0 ]; do
            one "$1"
            shift
            count=$((count - 1))
        done
        ;;
    -*) stop 2 "unknown option $word; --help lists them" ;;
    *) one "$word" ;;
    esac
done
[ -n "$target" ] || stop 2 'no target folder is known; name one with --to DIR'
case $target in
/*) ;;
*) target=$(pwd -P)/$target ;;
esac

[ -r "$here/rollback.lock" ] || stop 20 'rollback.lock cannot be read; nothing was touched'
[ "$(hash_of <"$here/rollback.lock")" = '@SHA_LOCK@' ] || stop 20 'rollback.lock is not what this script was made with: its SHA-256 is wrong; nothing was touched'
find_varve

own=''
if grep -qs "$project" "$target/.varve/project.toml"; then
    own=yes
elif [ -d "$target" ]; then
    [ -z "$(find "$target/." ! -name . -prune -print 2>/dev/null | sed q)" ] || stop 1 "$target is neither the project's folder nor empty; nothing was touched"
elif [ -e "$target" ] || [ -L "$target" ]; then
    stop 1 "$target is neither the project's folder nor empty; nothing was touched"
fi
if [ -z "$dry$yes" ]; then
    if ! [ -t 0 ] || ! [ -t 1 ]; then
        stop 2 'nobody can be asked here: add --yes, or --dry-run to see what would be done; nothing was touched'
    fi
    printf 'put @VERSION@ back in %s? [y/N] ' "$target"
    IFS= read -r answer || answer=''
    case $answer in
    y | Y | yes | YES | Yes) ;;
    *) stop 1 'not confirmed, nothing was touched' ;;
    esac
fi

listed=$("$varve" --vault "$vault" -q --project "$project" manifest "$snapshot" && printf x) || stop $? 'the vault does not give the version; nothing was touched'
[ "$(printf '%s' "${listed%x}" | hash_of)" = '@SHA_MANIFEST@' ] || stop 20 'the vault has something else for this version; nothing was touched'
listed=''
if [ -n "$own" ]; then
    count=$#
    while [ "$count" -gt 0 ]; do
        set -- "$@" "$target/$1"
        shift
        count=$((count - 1))
    done
    set -- -C "$target" --yes restore ${dry:+--dry-run} -- "$snapshot" "$@"
else
    set -- --project "$project" --yes restore --to "$target" ${dry:+--dry-run} -- "$snapshot" "$@"
fi
"$varve" --vault "$vault" "$@"
code=$?
if [ "$code" -eq 0 ] && [ -z "$dry" ] && [ "$paths" -eq 0 ]; then
    "$varve" --vault "$vault" -q --project "$project" manifest --check "$target" "$snapshot" || stop 20 "$target is not as in @VERSION@ after all; varve undo brings back how it was"
fi
exit "$code"
