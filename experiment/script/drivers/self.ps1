# Puts version @VERSION@ of @NAME@ back. Needs PowerShell 5.1 or newer and the files beside it; no varve, no vault, no network.
# rollback.sh and rollback.py do the same. README.txt says what happens and what the exit codes mean.
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$Version = '@VERSION@'
$DefaultTarget = @TARGET@
$Pins = @(
    @('ENTRIES', '@SHA_ENTRIES@'),
    @('MANIFEST.json', '@SHA_MANIFEST@'),
    @('SHA256SUMS', '@SHA_SUMS@'),
    @('payload.tar.gz', '@SHA_PAYLOAD@')
)
$Usage = "usage: rollback.ps1 [--to DIR | DIR] [--dry-run] [--only PATH]... [--yes]`n" +
    "  --to DIR     the folder to put back (else the one it was taken from)`n" +
    "  --dry-run    only say what would be done`n" +
    "  --only PATH  only this file or folder of the version, at its own place; repeatable`n" +
    "  --yes        do not ask`n"
$Here = $PSScriptRoot
$Windows = ($PSVersionTable.PSEdition -ne 'Core') -or $IsWindows
$Utf8 = New-Object System.Text.UTF8Encoding($false)
$Ordinal = [StringComparison]::Ordinal
$Epoch = New-Object DateTime(1970, 1, 1, 0, 0, 0, [DateTimeKind]::Utc)
$Out = [Console]::OpenStandardOutput()
$Talk = [Console]::OpenStandardError()
$State = @{ Work = ''; Backup = ''; Touched = $false; Code = 0; Done = $false }

function Write-Text($stream, [string]$text) {
    $bytes = $Utf8.GetBytes($text)
    $stream.Write($bytes, 0, $bytes.Length)
    $stream.Flush()
}

function Say([string]$text) { Write-Text $Talk ('rollback: ' + $text + "`n") }
function Tell([string]$text) { Write-Text $Out ($text + "`n") }

function Stop-With([int]$code, [string]$text) {
    $State.Code = $code
    throw $text
}

function Get-Where {
    if ($State.Backup -ne '') { return 'what was replaced is in ' + $State.Backup }
    if ($State.Touched) { return 'nothing was replaced' }
    return 'nothing was touched'
}

function ConvertTo-Shown([string]$text) {
    $b = New-Object System.Text.StringBuilder
    foreach ($c in $text.ToCharArray()) {
        $n = [int]$c
        if (($n -lt 32) -or ($n -eq 127) -or ($n -eq 92)) { [void]$b.Append('\0' + [Convert]::ToString($n, 8).PadLeft(3, '0')) }
        else { [void]$b.Append($c) }
    }
    return $b.ToString()
}

function ConvertFrom-Shown([string]$text) {
    if ($text.IndexOf([char]92) -lt 0) { return $text }
    $b = New-Object System.Text.StringBuilder
    for ($i = 0; $i -lt $text.Length; $i++) {
        if ($text[$i] -eq [char]92) {
            [void]$b.Append([char][Convert]::ToInt32($text.Substring($i + 2, 3), 8))
            $i += 4
        }
        else { [void]$b.Append($text[$i]) }
    }
    return $b.ToString()
}

function Get-Sha256([string]$path) {
    $sha = [System.Security.Cryptography.SHA256]::Create()
    $stream = New-Object System.IO.FileStream($path, [System.IO.FileMode]::Open, [System.IO.FileAccess]::Read, [System.IO.FileShare]::ReadWrite)
    try { return [BitConverter]::ToString($sha.ComputeHash($stream)).Replace('-', '').ToLowerInvariant() }
    finally { $stream.Dispose(); $sha.Dispose() }
}

function Test-Pins {
    foreach ($pin in $Pins) {
        $got = ''
        try { $got = Get-Sha256 (Join-Path $Here $pin[0]) }
        catch { Stop-With 20 ($pin[0] + ' cannot be read; nothing was touched') }
        if ($got -cne $pin[1]) { Stop-With 20 ($pin[0] + ' is not what this script was made with: its SHA-256 is wrong; nothing was touched') }
    }
}

# Read-Entries returns what the version has: Type, Mode, Nanos, Size, Sha, Shown, Path, Target, Index.
function Read-Entries {
    $list = New-Object 'System.Collections.Generic.List[object]'
    $lines = [System.IO.File]::ReadAllText((Join-Path $Here 'ENTRIES'), $Utf8).Split([char]10)
    for ($i = 1; $i -lt $lines.Length - 1; $i++) {
        $f = $lines[$i].Split([char]9)
        $list.Add((New-Object PSObject -Property @{ Type = $f[0]; Mode = $f[1]; Nanos = [long]$f[2]; Size = [long]$f[4]; Sha = $f[5]; Shown = $f[6]; Path = (ConvertFrom-Shown $f[6]); Target = (ConvertFrom-Shown $f[7]); Index = $i - 1 }))
    }
    return , $list
}

function ConvertTo-SubPath([string]$value) {
    $path = $value
    if ($Windows) { $path = $path.Replace('\', '/') }
    while ($path.StartsWith('./', $Ordinal)) { $path = $path.Substring(2) }
    $rooted = $path.StartsWith('/', $Ordinal)
    $path = $path.TrimEnd('/')
    $bad = $rooted -or ($path -eq '')
    foreach ($part in $path.Split('/')) { if (($part -eq '') -or ($part -eq '.') -or ($part -eq '..')) { $bad = $true } }
    if ($bad) { Stop-With 2 ('--only takes a path inside of the project, not ' + (ConvertTo-Shown $value)) }
    return $path
}

function Read-Arguments([string[]]$words) {
    $o = @{ Target = $null; Dry = $false; Yes = $false; Help = $false; Only = (New-Object 'System.Collections.Generic.List[string]') }
    $plain = $false
    for ($i = 0; $i -lt $words.Length; $i++) {
        $a = $words[$i]
        $name = $a
        $value = $null
        if ($a.StartsWith('--', $Ordinal) -and ($a.IndexOf('=') -gt 0)) {
            $name = $a.Substring(0, $a.IndexOf('='))
            $value = $a.Substring($a.IndexOf('=') + 1)
        }
        if ((-not $plain) -and (($name -ceq '--to') -or ($name -ceq '--only'))) {
            if ($null -eq $value) {
                $i++
                if ($i -ge $words.Length) { Stop-With 2 ($name + ' needs a value') }
                $value = $words[$i]
            }
            if ($name -ceq '--only') { $o.Only.Add((ConvertTo-SubPath $value)); continue }
        }
        elseif ((-not $plain) -and ($a -ceq '--')) { $plain = $true; continue }
        elseif ((-not $plain) -and (($a -ceq '--help') -or ($a -ceq '-h'))) { $o.Help = $true; return $o }
        elseif ((-not $plain) -and (($a -ceq '--dry-run') -or ($a -ceq '-n'))) { $o.Dry = $true; continue }
        elseif ((-not $plain) -and (($a -ceq '--yes') -or ($a -ceq '-y'))) { $o.Yes = $true; continue }
        elseif ((-not $plain) -and $a.StartsWith('-', $Ordinal)) { Stop-With 2 ('unknown option ' + (ConvertTo-Shown $a) + '; --help lists them') }
        else { $value = $a }
        if ($null -ne $o.Target) { Stop-With 2 'there is more than one target folder' }
        if ($value -eq '') { Stop-With 2 'the target folder is empty' }
        $o.Target = $value
    }
    if ($null -eq $o.Target) { $o.Target = $DefaultTarget }
    return $o
}

# Get-Kind tells what lies at a path, without following a link: d, f, l, or nothing.
function Get-Kind([string]$path) {
    try { $a = [System.IO.File]::GetAttributes($path) }
    catch { return '' }
    if (($a -band [System.IO.FileAttributes]::ReparsePoint) -ne 0) {
        # Files of a cloud are such points too, and no links.
        if ((-not $Windows) -or ([string](Get-Item -LiteralPath $path -Force).LinkType -ne '')) { return 'l' }
    }
    if (($a -band [System.IO.FileAttributes]::Directory) -ne 0) { return 'd' }
    return 'f'
}

function Get-At([string]$base, [string]$path) {
    $full = $base
    if ($path -ne '') { $full = $base + [System.IO.Path]::DirectorySeparatorChar + $path.Replace('/', [string][System.IO.Path]::DirectorySeparatorChar) }
    if ($Windows -and ($full.Length -gt 240) -and (-not $full.StartsWith('\\', $Ordinal))) { $full = '\\?\' + $full }
    return $full
}

function Get-LinkTarget([string]$path) {
    $item = Get-Item -LiteralPath $path -Force
    return [string](@($item.Target)[0])
}

# Test-Same tells whether what lies at a path has the content of the entry.
function Test-Same($e, [string]$path) {
    if ((Get-Kind $path) -cne $e.Type) { return $false }
    if ($e.Type -ceq 'd') { return $true }
    try {
        if ($e.Type -ceq 'l') {
            $to = Get-LinkTarget $path
            if ($Windows) { return $to.Replace('\', '/') -ceq $e.Target.Replace('\', '/') }
            return $to -ceq $e.Target
        }
        return (Get-Sha256 $path) -ceq $e.Sha
    }
    catch { return $false }
}

function Resolve-Target([string]$target) {
    if ($target -eq '') { Stop-With 2 'no target folder is known; name one with --to DIR' }
    if (($target.IndexOf([char]10) -ge 0) -or ($target.IndexOf([char]13) -ge 0)) { Stop-With 2 'the name of the target folder has a line break; name another with --to DIR' }
    $full = $target
    if (-not [System.IO.Path]::IsPathRooted($full)) { $full = [System.IO.Path]::Combine((Get-Location -PSProvider FileSystem).ProviderPath, $full) }
    $full = [System.IO.Path]::GetFullPath($full)
    $parent = [System.IO.Path]::GetDirectoryName($full)
    if (($null -ne $parent) -and ($full.EndsWith('/', $Ordinal) -or ($Windows -and $full.EndsWith('\', $Ordinal)))) {
        $full = $parent
        $parent = [System.IO.Path]::GetDirectoryName($full)
    }
    if ([string]::IsNullOrEmpty($parent)) { Stop-With 2 'the root of a disk is no target folder' }
    $kind = Get-Kind $full
    if ($kind -ceq 'l') { Stop-With 1 ($full + ' is a link; name the folder that it leads to; nothing was touched') }
    if ($kind -ceq 'f') { Stop-With 1 ($full + ' is not a folder; nothing was touched') }
    $separator = [string][System.IO.Path]::DirectorySeparatorChar
    if (($full + $separator).StartsWith($Here + $separator, $Ordinal)) { Stop-With 2 'the target folder is the one of this script; name another with --to DIR' }
    return $full
}

function Test-InScope([string]$path, $only) {
    if ($only.Count -eq 0) { return $true }
    foreach ($o in $only) { if (($path -ceq $o) -or $path.StartsWith($o + '/', $Ordinal)) { return $true } }
    return $false
}

# New-Plan returns Plan, a list of Word and Entry, and Extra, the names of what else is there.
function New-Plan([string]$target, $entries, $only) {
    $known = New-Object 'System.Collections.Generic.HashSet[string]' ([StringComparer]::Ordinal)
    foreach ($e in $entries) { [void]$known.Add($e.Path) }
    foreach ($o in $only) {
        if (-not $known.Contains($o)) { Stop-With 1 ($Version + ' has no ' + (ConvertTo-Shown $o) + '; nothing was touched') }
        $parts = $o.Split('/')
        for ($n = 1; $n -lt $parts.Length; $n++) {
            $above = [string]::Join('/', $parts, 0, $n)
            $kind = Get-Kind (Get-At $target $above)
            if (($kind -cne '') -and ($kind -cne 'd')) { Stop-With 1 ((ConvertTo-Shown $above) + ' is not a folder in the target, and not asked for; nothing was touched') }
        }
    }
    $plan = New-Object 'System.Collections.Generic.List[object]'
    $folders = New-Object 'System.Collections.Generic.List[object]'
    if (($only.Count -eq 0) -and ((Get-Kind $target) -ceq 'd')) { $folders.Add(@('', $target)) }
    $blocked = $null
    foreach ($e in $entries) {
        if (-not (Test-InScope $e.Path $only)) { continue }
        $word = 'restore'
        if (($null -eq $blocked) -or (-not $e.Path.StartsWith($blocked, $Ordinal))) {
            $blocked = $null
            $path = Get-At $target $e.Path
            if (Test-Same $e $path) {
                $word = 'unchanged'
                if ($e.Type -ceq 'd') { $folders.Add(@(($e.Path + '/'), $path)) }
            }
            else {
                if ((Get-Kind $path) -cne '') { $word = 'overwrite' }
                if ($e.Type -ceq 'd') { $blocked = $e.Path + '/' }
            }
        }
        $plan.Add((New-Object PSObject -Property @{ Word = $word; Entry = $e }))
    }
    $names = New-Object 'System.Collections.Generic.List[string]'
    $keys = New-Object 'System.Collections.Generic.List[string]'
    foreach ($folder in $folders) {
        foreach ($at in [System.IO.Directory]::GetFileSystemEntries($folder[1])) {
            $name = $folder[0] + [System.IO.Path]::GetFileName($at)
            if ($known.Contains($name)) { continue }
            $text = ConvertTo-Shown $name
            if ((Get-Kind $at) -ceq 'd') { $text = $text + '/' }
            $names.Add($text)
            $keys.Add([BitConverter]::ToString($Utf8.GetBytes($text)))
        }
    }
    $sorted = $names.ToArray()
    [Array]::Sort($keys.ToArray(), $sorted, [StringComparer]::Ordinal)
    return @{ Plan = $plan; Extra = $sorted }
}

function Get-Counts([string]$form, $what) {
    $restore = 0; $overwrite = 0; $unchanged = 0
    foreach ($p in $what.Plan) {
        if ($p.Word -ceq 'restore') { $restore++ }
        elseif ($p.Word -ceq 'overwrite') { $overwrite++ }
        else { $unchanged++ }
    }
    return [string]::Format([Globalization.CultureInfo]::InvariantCulture, $form, $restore, $overwrite, $unchanged, $what.Extra.Length)
}

function Show-Plan($what) {
    foreach ($p in $what.Plan) {
        $text = 'unchanged        '
        if ($p.Word -ceq 'restore') { $text = 'would restore    ' }
        elseif ($p.Word -ceq 'overwrite') { $text = 'would overwrite  ' }
        $text = $text + $p.Entry.Shown
        if ($p.Entry.Type -ceq 'd') { $text = $text + '/' }
        Tell $text
    }
    foreach ($name in $what.Extra) { Tell ('extra left       ' + $name) }
    Tell (Get-Counts 'would restore {0}, overwrite {1}; unchanged {2}, extra left {3}' $what)
}

function Confirm-Plan([string]$target, [bool]$yes, $what) {
    if ($yes) { return }
    if ([Console]::IsInputRedirected -or [Console]::IsOutputRedirected) { Stop-With 2 'nobody can be asked here: add --yes, or --dry-run to see what would be done; nothing was touched' }
    Write-Text $Out ((Get-Counts 'restore {0} and overwrite {1}' $what) + ' in ' + $target + '? [y/N] ')
    $answer = [Console]::ReadLine()
    if ($null -eq $answer) { $answer = '' }
    $answer = $answer.Trim().ToLowerInvariant()
    if (($answer -cne 'y') -and ($answer -cne 'yes')) { Stop-With 1 'not confirmed, nothing was touched' }
}

# Remove-Tree removes a folder and never what a link in it leads to.
function Remove-Tree([string]$path) {
    $kind = Get-Kind $path
    if ($kind -ceq '') { return }
    if ($kind -ceq 'l') { Remove-Link $path; return }
    if ($Windows) { [System.IO.File]::SetAttributes($path, [System.IO.FileAttributes]::Normal) }
    elseif ($kind -ceq 'd') { & chmod 700 $path }
    if ($kind -ceq 'f') { [System.IO.File]::Delete($path); return }
    foreach ($child in [System.IO.Directory]::GetFileSystemEntries($path)) { Remove-Tree $child }
    [System.IO.Directory]::Delete($path)
}

function Remove-Link([string]$path) {
    if ($Windows -and (([System.IO.File]::GetAttributes($path) -band [System.IO.FileAttributes]::Directory) -ne 0)) { [System.IO.Directory]::Delete($path) }
    else { [System.IO.File]::Delete($path) }
}

function New-Link([string]$path, [string]$to) {
    if (-not $Windows) {
        & ln -s '--' $to $path
        if ($LASTEXITCODE -ne 0) { throw ('the link ' + $path + ' cannot be made') }
        return
    }
    if (-not ('VarveRollback.Native' -as [type])) {
        Add-Type -Namespace VarveRollback -Name Native -MemberDefinition '[DllImport("kernel32.dll", CharSet = CharSet.Unicode, SetLastError = true)] [return: MarshalAs(UnmanagedType.I1)] public static extern bool CreateSymbolicLinkW(string link, string target, int flags);'
    }
    $target = $to.Replace('/', '\')
    $flags = 2
    $there = $target
    if (-not [System.IO.Path]::IsPathRooted($there)) { $there = [System.IO.Path]::Combine([System.IO.Path]::GetDirectoryName($path), $target) }
    if ([System.IO.Directory]::Exists($there)) { $flags = 3 }
    if (-not [VarveRollback.Native]::CreateSymbolicLinkW($path, $target, $flags)) { throw ('the link ' + $path + ' cannot be made: turn on developer mode, or run this as administrator') }
}

# Clear-Earlier takes away what an interrupted run has left. Its backup stays.
function Clear-Earlier([string]$work, [bool]$dry) {
    if ((Get-Kind $work) -ceq '') { return }
    $id = 0
    try { $id = [int]([System.IO.File]::ReadAllText((Join-Path $work 'pid')).Trim()) }
    catch { $id = 0 }
    if (($id -gt 0) -and ($id -ne $PID) -and ($null -ne (Get-Process -Id $id -ErrorAction SilentlyContinue))) {
        Stop-With 11 ('another rollback of this folder is running (process ' + $id + '); if that is wrong, remove ' + $work)
    }
    $note = Join-Path $work 'backup-is'
    if ([System.IO.File]::Exists($note)) { Say ('an earlier run was interrupted: what it replaced is in ' + [System.IO.File]::ReadAllText($note, $Utf8).TrimEnd([char]10) + '; run it again for the same paths to finish it') }
    if (-not $dry) { Remove-Tree $work }
}

function Start-Work([string]$work) {
    [void][System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($work))
    # New-Item fails where the folder has just come: CreateDirectory would not.
    [void](New-Item -ItemType Directory -Path ([System.IO.Path]::GetDirectoryName($work)) -Name ([System.IO.Path]::GetFileName($work)))
    $State.Work = $work
    [System.IO.File]::WriteAllText((Join-Path $work 'pid'), [string]$PID + "`n", $Utf8)
}

# Read-Full fills a buffer, and tells whether that much was there.
function Read-Full($stream, [byte[]]$buffer, [int]$count) {
    $got = 0
    while ($got -lt $count) {
        $n = $stream.Read($buffer, $got, $count - $got)
        if ($n -le 0) { return $false }
        $got += $n
    }
    return $true
}

function Get-TarSize([byte[]]$head) {
    if (($head[124] -band 0x80) -ne 0) {
        [long]$size = 0
        for ($i = 128; $i -lt 136; $i++) { $size = $size * 256 + $head[$i] }
        return $size
    }
    return [Convert]::ToInt64([System.Text.Encoding]::ASCII.GetString($head, 124, 12).Trim([char]0, [char]32), 8)
}

# Expand-Payload unpacks the wanted entries below tree. The archive has them in the order of ENTRIES, whose names are used:
# so that none leads elsewhere.
function Expand-Payload([string]$tree, $entries, $wanted) {
    [void][System.IO.Directory]::CreateDirectory($tree)
    $file = New-Object System.IO.FileStream((Join-Path $Here 'payload.tar.gz'), [System.IO.FileMode]::Open, [System.IO.FileAccess]::Read)
    $zip = New-Object System.IO.Compression.GZipStream($file, [System.IO.Compression.CompressionMode]::Decompress)
    try {
        $head = New-Object byte[] 512
        $buffer = New-Object byte[] 1048576
        $next = 0
        while ($next -lt $entries.Count) {
            if (-not (Read-Full $zip $head 512)) { Stop-With 20 'payload.tar.gz has less than ENTRIES; nothing was touched' }
            [long]$size = Get-TarSize $head
            $kind = [char]$head[156]
            $sink = $null
            if (($kind -ceq [char]'0') -or ($kind -ceq [char]'2') -or ($kind -ceq [char]'5')) {
                $e = $entries[$next]
                $next++
                if ($wanted.Contains($e.Index)) {
                    $path = Get-At $tree $e.Path
                    [void][System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($path))
                    if ($e.Type -ceq 'd') { [void][System.IO.Directory]::CreateDirectory($path) }
                    elseif ($e.Type -ceq 'l') { New-Link $path $e.Target }
                    else { $sink = New-Object System.IO.FileStream($path, [System.IO.FileMode]::CreateNew, [System.IO.FileAccess]::Write) }
                }
            }
            Copy-Content $zip $sink $size $buffer
            if ($null -ne $sink) { Set-Facts $e $path }
        }
    }
    finally { $zip.Dispose(); $file.Dispose() }
}

# Copy-Content copies the content of one entry, with what fills it up to 512 bytes left out, and closes the file.
function Copy-Content($zip, $sink, [long]$size, [byte[]]$buffer) {
    try {
        [long]$rest = $size
        while ($rest -gt 0) {
            $n = [int][Math]::Min($rest, [long]$buffer.Length)
            if (-not (Read-Full $zip $buffer $n)) { Stop-With 20 'payload.tar.gz ends too early; nothing was touched' }
            if ($null -ne $sink) { $sink.Write($buffer, 0, $n) }
            $rest -= $n
        }
        $fill = [int]((512 - ($size % 512)) % 512)
        if (($fill -gt 0) -and (-not (Read-Full $zip $buffer $fill))) { Stop-With 20 'payload.tar.gz ends too early; nothing was touched' }
        if ($null -ne $sink) { $sink.Flush($true) }
    }
    finally { if ($null -ne $sink) { $sink.Dispose() } }
}

# Set-Facts sets mode and time.
function Set-Facts($e, [string]$path) {
    if ($e.Type -ceq 'l') { return }
    $when = $Epoch.AddTicks([long][Math]::Floor([decimal]$e.Nanos / 100))
    try {
        if ($e.Type -ceq 'd') { [System.IO.Directory]::SetLastWriteTimeUtc($path, $when) }
        else { [System.IO.File]::SetLastWriteTimeUtc($path, $when) }
    }
    catch { Say ('the time of ' + $e.Shown + ' cannot be set') }
    if (-not $Windows) { & chmod $e.Mode $path }
}

# Set-AllFacts sets modes and times, folders last and from below: work inside of a folder changes its time.
function Set-AllFacts([string]$base, $plan) {
    foreach ($p in $plan) { if ($p.Entry.Type -ceq 'f') { Set-Facts $p.Entry (Get-At $base $p.Entry.Path) } }
    for ($i = $plan.Count - 1; $i -ge 0; $i--) { if ($plan[$i].Entry.Type -ceq 'd') { Set-Facts $plan[$i].Entry (Get-At $base $plan[$i].Entry.Path) } }
}

function Get-Wrong([string]$base, $plan) {
    $wrong = New-Object 'System.Collections.Generic.List[object]'
    foreach ($p in $plan) { if (-not (Test-Same $p.Entry (Get-At $base $p.Entry.Path))) { $wrong.Add($p.Entry) } }
    for ($i = 0; ($i -lt $wrong.Count) -and ($i -lt 20); $i++) { Say ($wrong[$i].Shown + ' is not as in ' + $Version) }
    return , $wrong
}

# Copy-Tree copies a file, a folder or a link, and compares what it copied.
function Copy-Tree([string]$from, [string]$to) {
    $kind = Get-Kind $from
    if ($kind -ceq 'l') { New-Link $to (Get-LinkTarget $from); return }
    if ($kind -ceq 'd') {
        [void][System.IO.Directory]::CreateDirectory($to)
        foreach ($child in [System.IO.Directory]::GetFileSystemEntries($from)) { Copy-Tree $child ($to + [System.IO.Path]::DirectorySeparatorChar + [System.IO.Path]::GetFileName($child)) }
        return
    }
    [System.IO.File]::Copy($from, $to)
    if ((Get-Sha256 $from) -cne (Get-Sha256 $to)) { throw ($from + ' changes while it is copied') }
}

# Backup-Doomed copies what will be replaced to a folder beside the target, which appears whole or not at all.
function Backup-Doomed($plan, [string]$target, [string]$work) {
    $inner = Get-At $work 'backup'
    $any = $false
    foreach ($p in $plan) {
        if ($p.Word -cne 'overwrite') { continue }
        $any = $true
        $copy = Get-At $inner $p.Entry.Path
        try {
            [void][System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($copy))
            Copy-Tree (Get-At $target $p.Entry.Path) $copy
        }
        catch { Stop-With 1 ($p.Entry.Shown + ' cannot be copied to the backup: ' + $_.Exception.Message + '; nothing was touched') }
    }
    if (-not $any) { return }
    $stamp = $target + '_backup_' + [DateTime]::Now.ToString('yyyyMMdd_HHmmss', [Globalization.CultureInfo]::InvariantCulture)
    $name = $stamp
    $n = 1
    while ((Get-Kind $name) -cne '') { $n++; $name = $stamp + '_' + $n }
    [System.IO.Directory]::Move($inner, $name)
    $State.Backup = $name
    [System.IO.File]::WriteAllText((Join-Path $work 'backup-is'), $name + "`n", $Utf8)
}

function Move-Any([string]$from, [string]$to, [string]$kind) {
    if ($kind -ceq 'l') {
        $target = Get-LinkTarget $from
        New-Link $to $target
        Remove-Link $from
    }
    elseif ($kind -ceq 'd') { [System.IO.Directory]::Move($from, $to) }
    else { [System.IO.File]::Move($from, $to) }
}

# Save-Newer copies what was written at dest since the backup was made.
function Save-Newer([string]$dest, $e) {
    $copy = Get-At $State.Backup $e.Path
    if (((Get-Kind $copy) -ceq 'f') -and ((Get-Sha256 $dest) -ceq (Get-Sha256 $copy))) { return }
    while ((Get-Kind $copy) -cne '') { $copy = $copy + '.later' }
    [System.IO.File]::Copy($dest, $copy)
    Say ($e.Shown + ' was written while this was running: that is in ' + $copy)
}

# Move-Back puts the files in their places, each by one renaming.
function Move-Back($plan, [string]$target, [string]$tree, [string]$work) {
    $State.Touched = $true
    foreach ($p in $plan) {
        $e = $p.Entry
        $source = Get-At $tree $e.Path
        $dest = Get-At $target $e.Path
        if (($p.Word -ceq 'unchanged') -or ((Get-Kind $source) -ceq '')) { continue } # it came with its folder
        [void][System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($dest))
        $kind = Get-Kind $dest
        if (($kind -ceq 'd') -and ($e.Type -ceq 'd')) { continue }
        if (($kind -ceq 'f') -and ($p.Word -ceq 'overwrite')) { Save-Newer $dest $e }
        if (($kind -ceq 'f') -and ($e.Type -ceq 'f') -and ($p.Word -ceq 'overwrite')) {
            if ($Windows) { [System.IO.File]::SetAttributes($dest, [System.IO.FileAttributes]::Normal) }
            [System.IO.File]::Replace($source, $dest, [NullString]::Value)
            continue
        }
        if ($kind -cne '') {
            if ($p.Word -ceq 'overwrite') {
                $trash = Get-At $work 'trash'
                [void][System.IO.Directory]::CreateDirectory($trash)
                Move-Any $dest (Get-At $trash ([string]$e.Index)) $kind
            }
            else {
                # It came after the plan was made: the backup does not have it.
                if ($State.Backup -eq '') { throw ($e.Shown + ' came while this was running, and was left') }
                $copy = Get-At $State.Backup $e.Path
                [void][System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($copy))
                Move-Any $dest $copy $kind
            }
        }
        Move-Any $source $dest $e.Type
    }
}

function Invoke-Rollback([string[]]$words) {
    $o = Read-Arguments $words
    if ($o.Help) { Write-Text $Out $Usage; return }
    $target = Resolve-Target $o.Target
    Test-Pins
    $entries = Read-Entries
    $what = New-Plan $target $entries $o.Only
    $work = [System.IO.Path]::Combine([System.IO.Path]::GetDirectoryName($target), '.varve-restore-' + [System.IO.Path]::GetFileName($target))
    if ($o.Dry) {
        Clear-Earlier $work $true
        Show-Plan $what
        return
    }
    Confirm-Plan $target $o.Yes $what
    Clear-Earlier $work $false
    Start-Work $work
    $tree = Get-At $work 'tree'
    $wanted = New-Object 'System.Collections.Generic.HashSet[int]'
    foreach ($p in $what.Plan) { [void]$wanted.Add($p.Entry.Index) }
    Expand-Payload $tree $entries $wanted
    $wrong = Get-Wrong $tree $what.Plan
    if ($wrong.Count -gt 0) { Stop-With 1 'this disk does not hold the version as it is; nothing was touched' }
    Backup-Doomed $what.Plan $target $work
    if (($o.Only.Count -eq 0) -and ((Get-Kind $target) -ceq '')) {
        Set-AllFacts $tree $what.Plan
        $State.Touched = $true
        [System.IO.Directory]::Move($tree, $target)
    }
    else {
        [void][System.IO.Directory]::CreateDirectory($target)
        Move-Back $what.Plan $target $tree $work
        Set-AllFacts $target $what.Plan
    }
    $wrong = Get-Wrong $target $what.Plan
    if ($wrong.Count -gt 0) { Stop-With 20 ([string]$wrong.Count + ' of ' + $what.Plan.Count + ' are not as in ' + $Version + ' after all; ' + (Get-Where)) }
    Remove-Tree $work
    $State.Work = ''
    Tell (Get-Counts 'restored {0}, overwrote {1}; unchanged {2}, extra left {3}' $what)
    if ($State.Backup -ne '') { Tell ('what was replaced is in ' + $State.Backup) }
}

try {
    Invoke-Rollback ([string[]]@($args))
    $State.Done = $true
}
catch {
    $text = $_.Exception.Message
    if ($State.Code -eq 0) {
        $State.Code = 1
        if ($State.Touched) { $text = $text + '; ' + (Get-Where) + '; run this again to finish' }
        else { $text = $text + '; nothing was touched' }
    }
    Say $text
}
finally {
    # After Ctrl-C only this is run.
    if ((-not $State.Done) -and (-not $State.Touched) -and ($State.Work -ne '')) { Remove-Tree $State.Work }
}
exit $State.Code
