#!/bin/sh
# Puts version @VERSION@ of @NAME@ back. Needs a POSIX shell with tar, gzip, awk and sha256sum, shasum or openssl, and the
# files beside it; no varve, no vault, no network. rollback.py and rollback.ps1 do the same. README.txt says what happens
# and what the exit codes mean.
set -u
set +f
tar_locale=${LC_ALL-}
LC_ALL=C
export LC_ALL
umask 022
tab=$(printf '\t')
slash=$(printf '\134')

version='@VERSION@'
target=@TARGET@
pins='@SHA_ENTRIES@  ENTRIES
@SHA_MANIFEST@  MANIFEST.json
@SHA_SUMS@  SHA256SUMS
@SHA_PAYLOAD@  payload.tar.gz'

work='' backup='' touched='' scratch=''

say() { printf 'rollback: %s\n' "$1" >&2; }

where() {
    if [ -n "$backup" ]; then
        printf 'what was replaced is in %s' "$backup"
    elif [ -n "$touched" ]; then
        printf 'nothing was replaced'
    else
        printf 'nothing was touched'
    fi
}

# force_remove PATH removes what the modes of folders may protect.
force_remove() {
    if [ -d "$1" ] && [ ! -L "$1" ]; then
        chmod -R u+rwX "$1" 2>/dev/null
    fi
    rm -rf "$1"
}

leave() {
    trap '' EXIT INT TERM HUP
    [ -z "$scratch" ] || rm -rf "$scratch"
    if [ -n "$work" ] && [ -z "$touched" ]; then
        force_remove "$work"
    fi
    exit "$1"
}

stop() {
    say "$2"
    leave "$1"
}

# ended CODE TEXT ends a run that may be half way.
ended() {
    if [ -n "$touched" ]; then
        stop "$1" "$2; $(where); run this again to finish"
    fi
    stop "$1" "$2; nothing was touched"
}

broken() { ended 1 "$1"; }

usage() {
    cat <<'END'
usage: rollback.sh [--to DIR | DIR] [--dry-run] [--only PATH]... [--yes]
  --to DIR     the folder to put back (else the one it was taken from)
  --dry-run    only say what would be done
  --only PATH  only this file or folder of the version, at its own place; repeatable
  --yes        do not ask
END
}

# escape TEXT prints it with control characters and backslashes as \0ooo.
escape() {
    case $1 in
    *[[:cntrl:]\\]*)
        printf '%s' "$1" | od -An -v -tu1 | awk '{ for (i = 1; i <= NF; i++) { c = $i + 0; if (c < 32 || c == 127 || c == 92) printf "\\0%03o", c; else printf "%c", c } }'
        ;;
    *) printf '%s' "$1" ;;
    esac
}

# decode sets name to what an escaped text stands for.
decode() {
    case $1 in
    *\\*)
        name=$(printf '%bx' "$1")
        name=${name%x}
        ;;
    *) name=$1 ;;
    esac
}

hash_tool() {
    if command -v sha256sum >/dev/null 2>&1; then
        tool=sha256sum
    elif command -v shasum >/dev/null 2>&1; then
        tool=shasum
    elif command -v openssl >/dev/null 2>&1; then
        tool=openssl
    else
        stop 1 'there is no sha256sum, shasum or openssl here; nothing was touched'
    fi
    for need in tar gzip awk sed sort xargs find od mktemp touch readlink; do
        command -v "$need" >/dev/null 2>&1 || stop 1 "there is no $need here; nothing was touched"
    done
}

# hash_of FILE prints its SHA-256, or nothing.
hash_of() {
    case $tool in
    shasum) shasum -a 256 <"$1" ;;
    openssl) openssl dgst -sha256 -r <"$1" ;;
    *) sha256sum <"$1" ;;
    esac 2>/dev/null | sed 's/^\([0-9a-f]\{64\}\).*/\1/;q'
}

check_pins() {
    printf '%s\n' "$pins" >"$scratch/pins"
    while read -r want file; do
        [ -r "$here/$file" ] || stop 20 "$file cannot be read; nothing was touched"
        [ "$(hash_of "$here/$file")" = "$want" ] || stop 20 "$file is not what this script was made with: its SHA-256 is wrong; nothing was touched"
    done <"$scratch/pins"
}

one() {
    [ -z "$given" ] || stop 2 'there is more than one target folder'
    [ -n "$1" ] || stop 2 'the target folder is empty'
    target=$1
    given=yes
}

# sub_path VALUE adds a path of the project to the scope.
sub_path() {
    sub=$1
    while [ "${sub#./}" != "$sub" ]; do sub=${sub#./}; done
    while [ "${sub%/}" != "$sub" ]; do sub=${sub%/}; done
    case /$sub/ in
    // | //* | */../* | */./* | *//*) stop 2 "--only takes a path inside of the project, not $(escape "$1")" ;;
    esac
    case $1 in
    /*) stop 2 "--only takes a path inside of the project, not $(escape "$1")" ;;
    esac
    escape "$sub" >>"$scratch/only"
    printf '\n' >>"$scratch/only"
}

arguments() {
    given='' dry='' yes=''
    : >"$scratch/only"
    while [ $# -gt 0 ]; do
        case $1 in
        --help | -h)
            usage
            leave 0
            ;;
        --dry-run | -n) dry=yes ;;
        --yes | -y) yes=yes ;;
        --to | --only)
            [ $# -gt 1 ] || stop 2 "$1 needs a value"
            if [ "$1" = --to ]; then one "$2"; else sub_path "$2"; fi
            shift
            ;;
        --to=*) one "${1#--to=}" ;;
        --only=*) sub_path "${1#--only=}" ;;
        --)
            shift
            for more in "$@"; do one "$more"; done
            break
            ;;
        -*) stop 2 "unknown option $(escape "$1"); --help lists them" ;;
        *) one "$1" ;;
        esac
        shift
    done
}

# locate makes target the true path of the folder.
locate() {
    [ -n "$target" ] || stop 2 'no target folder is known; name one with --to DIR'
    case $target in
    *[![:print:]]*)
        if [ "$(printf '%s' "$target" | tr -d '\n\r' | wc -c)" -ne "$(printf '%s' "$target" | wc -c)" ]; then
            stop 2 'the name of the target folder has a line break; name another with --to DIR'
        fi
        ;;
    esac
    case $target in
    /*) ;;
    *) target=$(pwd -P)/$target ;;
    esac
    if { [ -e "$target" ] || [ -L "$target" ]; } && [ ! -d "$target" ]; then
        stop 1 "$target is not a folder; nothing was touched"
    fi
    rest=''
    while [ ! -d "$target" ]; do # what is not there yet
        while [ "${target%/}" != "$target" ]; do target=${target%/}; done
        last=${target##*/}
        target=${target%/*}
        [ -n "$target" ] || target=/
        case $last in
        '' | .) ;;
        ..) stop 2 'the target folder leads through one that is not there' ;;
        *) rest=/$last$rest ;;
        esac
    done
    target=$(cd -- "$target" && pwd -P && printf x) || stop 1 'the target folder cannot be entered; nothing was touched'
    target=${target%?x}
    [ "$target" != / ] || target=''
    target=$target$rest
    [ -n "$target" ] || stop 2 'the root of a disk is no target folder'
    case $target/ in
    "$here"/*) stop 2 'the target folder is the one of this script; name another with --to DIR' ;;
    esac
    base=${target##*/}
    parent=${target%/*}
}

# sums FOLDER LIST prints the hash and the escaped name of each listed file that can be read.
sums() {
    grep -vF "$slash" "$2" | sed 's/[^A-Za-z0-9_./]/\\&/g;s/^/.\//' >"$scratch/plain"
    grep -F "$slash" "$2" >"$scratch/odd"
    if [ -s "$scratch/plain" ]; then
        (
            cd -- "$1" || exit
            case $tool in
            shasum) xargs shasum -a 256 ;;
            openssl) xargs openssl dgst -sha256 -r ;;
            *) xargs sha256sum ;;
            esac <"$scratch/plain" 2>/dev/null
        ) | awk '{ print substr($0, 1, 64) "\t" substr($0, 69) }'
    fi
    while IFS= read -r odd; do
        decode "$odd"
        printf '%s\t%s\n' "$(hash_of "$1/$name")" "$odd"
    done <"$scratch/odd"
}

kind() {
    if [ -L "$1" ]; then
        k=l
    elif [ -d "$1" ]; then
        k=d
    elif [ -f "$1" ]; then
        k=f
    elif [ -e "$1" ]; then
        k=o
    else
        k=''
    fi
}

same_link() {
    there=$(readlink "$1" && printf x)
    there=${there%?x}
    decode "$2"
    [ "$there" = "$name" ]
}

# make_scope writes the entries that are wanted to scope, and the folders above them to above.
make_scope() {
    awk -F '\t' -v only="$scratch/only" -v above="$scratch/above" -v lacks="$scratch/lacks" '
        BEGIN { while ((getline line < only) > 0) { n++; want[line] = 1; parts = line; while (sub(/\/[^\/]*$/, "", parts)) up[parts] = 1 } printf "" > above; printf "" > lacks }
        FNR == 1 { next }
        {
            ok = (n == 0)
            if (!ok) { p = $7; do { if (p in want) ok = 1 } while (!ok && sub(/\/[^\/]*$/, "", p)) }
            if ($7 in want) seen[$7] = 1
            if (ok) print; else if ($7 in up) print > above
        }
        END { for (w in want) if (!(w in seen)) print w > lacks }' "$here/ENTRIES" >"$scratch/scope"
    if [ -s "$scratch/lacks" ]; then
        stop 1 "$version has no $(sort "$scratch/lacks" | sed q); nothing was touched"
    fi
    while IFS=$tab read -r _ _ _ _ _ _ path _; do
        decode "$path"
        kind "$target/$name"
        case $k in
        '' | d) ;;
        *) stop 1 "$path is not a folder in the target, and not asked for; nothing was touched" ;;
        esac
    done <"$scratch/above"
}

# make_plan writes a line "WORD TYPE PATH" for each entry to plan, and what else is there to extra.
make_plan() {
    make_scope
    blocked=''
    : >"$scratch/files"
    : >"$scratch/folders"
    while IFS=$tab read -r type _ _ _ _ _ path link; do
        if [ -n "$blocked" ]; then
            case $path in
            "$blocked"*)
                printf 'restore\t%s\n' "$path"
                continue
                ;;
            esac
            blocked=''
        fi
        decode "$path"
        kind "$target/$name"
        word=restore
        [ -z "$k" ] || word=overwrite
        case $type$k in
        dd)
            word=unchanged
            printf '%s\n' "$path" >>"$scratch/folders"
            ;;
        d*) blocked=$path/ ;;
        ff)
            word=look
            printf '%s\n' "$path" >>"$scratch/files"
            ;;
        ll) if same_link "$target/$name" "$link"; then word=unchanged; fi ;;
        esac
        printf '%s\t%s\n' "$word" "$path"
    done <"$scratch/scope" >"$scratch/rough"
    : >"$scratch/sums"
    if [ -d "$target" ]; then
        sums "$target" "$scratch/files" >"$scratch/sums"
    fi
    awk -F '\t' -v sums="$scratch/sums" -v scope="$scratch/scope" '
        BEGIN { while ((getline line < sums) > 0) hash[substr(line, 66)] = substr(line, 1, 64) }
        {
            if ((getline line < scope) <= 0) exit 1
            split(line, e, "\t")
            w = $1
            if (w == "look") w = (hash[$2] == e[6]) ? "unchanged" : "overwrite"
            print w "\t" e[1] "\t" $2
        }' "$scratch/rough" >"$scratch/plan" || broken 'the plan could not be made'
    list_extra
}

list_extra() {
    : >"$scratch/found"
    if [ -d "$target" ] && [ ! -s "$scratch/only" ]; then
        children '' "$target" >>"$scratch/found"
    fi
    while IFS= read -r path; do
        decode "$path"
        children "$path/" "$target/$name" >>"$scratch/found"
    done <"$scratch/folders"
    awk -F '\t' -v scope="$scratch/scope" '
        BEGIN { while ((getline line < scope) > 0) { split(line, e, "\t"); known[e[7]] = 1 } }
        !($2 in known) { print $2 ($1 == "d" ? "/" : "") }' "$scratch/found" | sort >"$scratch/extra"
}

# children PREFIX FOLDER prints type and escaped path of each entry of a folder.
children() {
    for child in "$2"/* "$2"/.[!.]* "$2"/..?*; do
        kind "$child"
        [ -n "$k" ] || continue
        printf '%s\t%s' "$k" "$1"
        escape "${child##*/}"
        printf '\n'
    done
}

counts() {
    awk -F '\t' -v extra="$scratch/extra" -v form="$1" '
        BEGIN { while ((getline line < extra) > 0) x++ }
        { n[$1]++ }
        END { printf form "\n", n["restore"], n["overwrite"], n["unchanged"], x }' "$scratch/plan"
}

tell_plan() {
    awk -F '\t' '
        BEGIN { w["restore"] = "would restore    "; w["unchanged"] = "unchanged        "; w["overwrite"] = "would overwrite  " }
        { print w[$1] $3 ($2 == "d" ? "/" : "") }' "$scratch/plan"
    sed 's/^/extra left       /' "$scratch/extra"
    counts 'would restore %d, overwrite %d; unchanged %d, extra left %d'
}

confirm() {
    [ -z "$yes" ] || return 0
    if ! [ -t 0 ] || ! [ -t 1 ]; then
        stop 2 'nobody can be asked here: add --yes, or --dry-run to see what would be done; nothing was touched'
    fi
    counts 'restore %d and overwrite %d in ' | tr -d '\n'
    printf '%s? [y/N] ' "$target"
    IFS= read -r answer || answer=''
    case $answer in
    y | Y | yes | YES | Yes) ;;
    *) stop 1 'not confirmed, nothing was touched' ;;
    esac
}

# earlier_run takes away what an interrupted run has left. Its backup stays.
earlier_run() {
    if [ ! -e "$place" ] && [ ! -L "$place" ]; then
        return 0
    fi
    pid=''
    if [ -r "$place/pid" ]; then
        read -r pid <"$place/pid" || pid=''
    fi
    case $pid in
    '' | *[!0-9]* | 0) ;;
    *)
        if [ "$pid" != $$ ] && kill -0 "$pid" 2>/dev/null; then
            stop 11 "another rollback of this folder is running (process $pid); if that is wrong, remove $place"
        fi
        ;;
    esac
    if [ -r "$place/backup-is" ]; then
        say "an earlier run was interrupted: what it replaced is in $(cat "$place/backup-is"); run it again for the same paths to finish it"
    fi
    [ -n "$dry" ] || force_remove "$place"
}

begin() {
    mkdir -p -- "${parent:-/}" || broken "the folder $parent cannot be made"
    mkdir -m 700 -- "$place" 2>/dev/null || broken "no folder can be made beside the target, or another rollback of it has just begun"
    work=$place
    printf '%s\n' $$ >"$work/pid"
}

# stage unpacks the payload and checks what it is.
stage() {
    mkdir "$work/unpacked" || broken 'there is no room beside the target'
    (
        if [ -n "$tar_locale" ]; then LC_ALL=$tar_locale; else unset LC_ALL; fi
        gzip -dc <"$here/payload.tar.gz" | (cd "$work/unpacked" && tar -xpof -)
    ) 2>"$scratch/tar" # its files are compared with ENTRIES: that judges
    tree=$work/unpacked/tree
    [ -d "$tree" ] || mkdir "$tree"
    find "$tree" -type d ! -perm -700 -exec chmod u+rwx {} \;
    find "$tree" -type f ! -perm -400 -exec chmod u+r {} \;
    if ! verify "$tree"; then
        sed q "$scratch/tar" >&2
        stop 1 'this disk does not hold the version as it is; nothing was touched'
    fi
}

# verify FOLDER tells whether all wanted entries are in a folder as they should be.
verify() {
    : >"$scratch/wrong"
    : >"$scratch/files"
    while IFS=$tab read -r type mode _ _ _ _ path link; do
        decode "$path"
        kind "$1/$name"
        if [ "$k" != "$type" ] || { [ $k = l ] && ! same_link "$1/$name" "$link"; }; then
            printf '%s\n' "$path" >>"$scratch/wrong"
        elif [ $k = f ]; then
            printf '%s\n' "$path" >>"$scratch/files"
            case $mode in
            [0123]*)
                decode "$path"
                chmod u+r "$1/$name"
                ;;
            esac
        fi
    done <"$scratch/scope"
    sums "$1" "$scratch/files" >"$scratch/sums"
    awk -F '\t' -v sums="$scratch/sums" '
        BEGIN { while ((getline line < sums) > 0) hash[substr(line, 66)] = substr(line, 1, 64) }
        $1 == "f" && hash[$7] != $6 { print $7 }' "$scratch/scope" >>"$scratch/wrong"
    [ -s "$scratch/wrong" ] || return 0
    sort -u "$scratch/wrong" | sed -n "s/\$/ is not as in $version/;1,20s/^/rollback: /p" >&2
    return 1
}

# back_up copies what will be replaced to a folder beside the target, which appears whole or not at all.
back_up() {
    grep "^overwrite$tab" "$scratch/plan" >"$scratch/doomed" || return 0
    mkdir "$work/backup" || broken 'there is no room beside the target'
    while IFS=$tab read -r _ type path; do
        decode "$path"
        kind "$target/$name"
        [ "$k" != o ] || broken "$path is in the way and is neither file, folder nor link"
        case $name in
        */*) mkdir -p "$work/backup/${name%/*}" || broken "$path cannot be copied to the backup" ;;
        esac
        cp -RPp "$target/$name" "$work/backup/$name" || broken "$path cannot be copied to the backup"
        if [ $k = f ]; then
            cmp -s "$target/$name" "$work/backup/$name" || broken "$path changes while it is copied"
        fi
    done <"$scratch/doomed"
    stamp=${target}_backup_$(date +%Y%m%d_%H%M%S)
    to=$stamp n=1
    while [ -e "$to" ] || [ -L "$to" ]; do
        n=$((n + 1))
        to=${stamp}_$n
    done
    sync
    mv "$work/backup" "$to" || broken 'the backup cannot be put beside the target'
    backup=$to
    printf '%s\n' "$backup" >"$work/backup-is"
}

# away takes what is at dest out of the way. What the backup does not have, since it came after, goes there.
away() {
    if [ "$word" = overwrite ]; then
        count=$((count + 1))
        mkdir -p "$work/trash"
        mv "$dest" "$work/trash/$count" || broken "$path cannot be taken out of the way"
        return
    fi
    [ -n "$backup" ] || broken "$path came while this was running, and was left"
    case $name in
    */*) mkdir -p "$backup/${name%/*}" ;;
    esac
    mv "$dest" "$backup/$name" || broken "$path cannot be taken out of the way"
}

# keep_newer copies what was written at dest since the backup was made.
keep_newer() {
    copy=$backup/$name
    if [ $k != f ] || cmp -s "$dest" "$copy"; then
        return
    fi
    while [ -e "$copy" ] || [ -L "$copy" ]; do copy=$copy.later; done
    cp -p "$dest" "$copy" || broken "$path cannot be copied to the backup"
    say "$path was written while this was running: that is in $copy"
}

put_back() {
    touched=yes
    count=0
    while IFS=$tab read -r word type path; do
        [ "$word" != unchanged ] || continue
        decode "$path"
        source=$tree/$name dest=$target/$name
        if [ ! -e "$source" ] && [ ! -L "$source" ]; then
            continue # it came with its folder
        fi
        [ -d "${dest%/*}" ] || mkdir -p "${dest%/*}" || broken "the folder of $path cannot be made"
        kind "$dest"
        case $word$type$k in
        *dd) continue ;;
        overwrite?f) keep_newer ;;
        esac
        if [ -n "$k" ] && [ "$word$type$k" != overwriteff ]; then
            away
        fi
        mv -f "$source" "$dest" || broken "$path cannot be put in its place"
    done <"$scratch/plan"
}

# fine tells whether touch takes fractions of seconds.
fine() { : >"$scratch/fine" && touch -d '@1.5' "$scratch/fine" 2>/dev/null; }

# dated PATH STAMP NANOSECONDS sets a time, of a link too.
dated() {
    seconds=${3%?????????}
    if [ -n "$fraction" ] && [ "${#seconds}" -gt 1 ]; then
        touch -h -d "@$seconds.${3#"$seconds"}" "$1" 2>/dev/null
    elif [ -L "$1" ]; then
        TZ=UTC0 touch -h -t "$2" "$1" 2>/dev/null
    else
        TZ=UTC0 touch -t "$2" "$1" 2>/dev/null
    fi
}

# facts FOLDER prints mode, seconds and name of its entries, where the stat of GNU, busybox or BSD is here.
facts() {
    awk -F '\t' '$1 != "l" { print $7 }' "$scratch/scope" | grep -vF "$slash" | sed 's/[^A-Za-z0-9_./]/\\&/g;s/^/.\//' >"$scratch/plain"
    [ -s "$scratch/plain" ] || return 0
    (
        cd -- "$1" || exit
        if stat -c '%a %Y' / >/dev/null 2>&1; then
            xargs stat -c '%a %Y %n' <"$scratch/plain"
        elif stat -f '%Lp %m' / >/dev/null 2>&1; then
            xargs stat -f '%Lp %m %N' <"$scratch/plain"
        fi
    ) 2>/dev/null
}

# settle FOLDER sets modes and times where they are others, folders last and from below: work inside of a folder changes
# its time. A file that was unpacked has its time already.
settle() {
    fraction=''
    if fine; then fraction=yes; fi
    facts "$1" >"$scratch/facts"
    awk -F '\t' -v facts="$scratch/facts" '
        BEGIN { while ((getline line < facts) > 0) { at = index(line, " ./"); fact[substr(line, at + 3)] = substr(line, 1, at - 1) } }
        {
            m = $2; sub(/^0+/, "", m); if (m == "") m = "0"
            if ($1 != "l" && fact[$7] == m " " substr($3, 1, length($3) - 9)) next
            d = ($1 == "d"); printf "%d\t%09d\t", d, d ? 999999999 - NR : NR; print
        }' "$scratch/scope" | sort >"$scratch/order"
    while IFS=$tab read -r _ _ type mode nanos stamp _ _ path _; do
        decode "$path"
        [ "$type" = l ] || chmod "$mode" "$1/$name" || broken "the mode of $path cannot be set"
        if [ "$type" != f ]; then
            dated "$1/$name" "$stamp" "$nanos"
        elif [ "$1" != "$tree" ] && [ -e "$tree/$name" ]; then
            touch -r "$tree/$name" "$1/$name" 2>/dev/null
        fi
    done <"$scratch/order"
}

main() {
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/rollback.XXXXXX") || {
        say 'no temporary folder can be made; nothing was touched'
        exit 1
    }
    trap 'ended 130 interrupted' INT TERM HUP
    case $0 in
    */*) here=${0%/*} ;;
    *) here=. ;;
    esac
    here=$(cd -- "${here:-/}" && pwd -P && printf x) || stop 1 'the folder of this script cannot be entered'
    here=${here%?x}
    hash_tool
    arguments "$@"
    locate
    check_pins
    make_plan
    place=$parent/.varve-restore-$base
    if [ -n "$dry" ]; then
        earlier_run
        tell_plan
        leave 0
    fi
    confirm
    earlier_run
    begin
    stage
    back_up
    sync
    if [ ! -s "$scratch/only" ] && [ ! -e "$target" ] && [ ! -L "$target" ]; then
        settle "$tree"
        touched=yes
        mv "$tree" "$target" || broken 'the folder cannot be put in its place'
    else
        mkdir -p -- "$target" || broken 'the target folder cannot be made'
        put_back
        settle "$target"
    fi
    sync
    verify "$target" || stop 20 "$(sort -u "$scratch/wrong" | grep -c '') of $(grep -c '' <"$scratch/scope") are not as in $version after all; $(where)"
    settle "$target"
    force_remove "$work"
    work=''
    counts 'restored %d, overwrote %d; unchanged %d, extra left %d'
    [ -z "$backup" ] || printf 'what was replaced is in %s\n' "$backup"
    leave 0
}

main "$@"
