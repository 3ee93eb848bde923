# Has varve put version @VERSION@ of @NAME@ back. Needs PowerShell 5.1 or newer, the vault, and a varve with one of the SHA-256 in
# rollback.lock. rollback.sh and rollback.py do the same. README.txt says more.
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$Snapshot = '@SNAPSHOT@'
$Project = '@PROJECT@'
$Vault = @VAULT@
$DefaultTarget = @TARGET@
$Pins = '@PINS@'.Split([char]10)
$Here = $PSScriptRoot
$Windows = ($PSVersionTable.PSEdition -ne 'Core') -or $IsWindows
$State = @{ Code = 0 }

function Stop-With([int]$code, [string]$text) {
    $State.Code = $code
    throw $text
}

function Get-Sha256([string]$path) {
    return (Get-FileHash -LiteralPath $path -Algorithm SHA256).Hash.ToLowerInvariant()
}

function Get-System {
    $os = 'windows'
    $arch = [string]$env:PROCESSOR_ARCHITECTURE
    if (-not $Windows) {
        $os = (& uname -s).ToLowerInvariant()
        $arch = & uname -m
    }
    $arch = $arch.ToLowerInvariant()
    if ($arch -ceq 'x86_64') { $arch = 'amd64' }
    if ($arch -ceq 'aarch64') { $arch = 'arm64' }
    if ($arch -ceq 'x86') { $arch = '386' }
    return $os + '/' + $arch
}

function Find-Varve {
    $system = Get-System
    $exe = ''
    if ($Windows) { $exe = '.exe' }
    $places = @((Join-Path $Here ('varve-' + $system.Replace('/', '-') + $exe)), (Join-Path $Here ('varve' + $exe)))
    foreach ($dir in ([string]$env:PATH).Split([System.IO.Path]::PathSeparator)) { if ($dir -ne '') { $places += [System.IO.Path]::Combine($dir, 'varve' + $exe) } }
    if ([string]$env:VARVE -ne '') { $places += [string]$env:VARVE }
    $other = ''
    foreach ($place in $places) {
        if (-not [System.IO.File]::Exists($place)) { continue }
        $mark = (Get-Sha256 $place) + ' ' + $system
        foreach ($pin in $Pins) { if ($pin -ceq $mark) { return [System.IO.Path]::GetFullPath($place) } }
        if ($other -eq '') { $other = $place }
    }
    if ($other -ne '') { Stop-With 20 ($other + ' is not a varve that this script was made with; nothing was touched') }
    Stop-With 1 'there is no varve beside this script, in PATH or in the variable VARVE; nothing was touched'
}

function ConvertTo-SubPath([string]$value) {
    $path = $value
    if ($Windows) { $path = $path.Replace('\', '/') }
    while ($path.StartsWith('./', [StringComparison]::Ordinal)) { $path = $path.Substring(2) }
    $bad = $path.StartsWith('/', [StringComparison]::Ordinal)
    $path = $path.TrimEnd('/')
    foreach ($part in $path.Split('/')) { if (($part -eq '') -or ($part -eq '.') -or ($part -eq '..')) { $bad = $true } }
    if ($bad) { Stop-With 2 ('--only takes a path inside of the project, not ' + $value) }
    return $path
}

function Invoke-Rollback([string[]]$words) {
    $target = $null
    $dry = $false
    $yes = $false
    $only = New-Object 'System.Collections.Generic.List[string]'
    for ($i = 0; $i -lt $words.Length; $i++) {
        $a = $words[$i]
        if ($a -ceq '--help') { [Console]::Out.WriteLine('usage: rollback.ps1 [--to DIR | DIR] [--dry-run] [--only PATH]... [--yes]'); return }
        if (($a -ceq '--dry-run') -or ($a -ceq '-n')) { $dry = $true; continue }
        if (($a -ceq '--yes') -or ($a -ceq '-y')) { $yes = $true; continue }
        $name = $a
        $value = $a
        if (($a -ceq '--to') -or ($a -ceq '--only')) {
            $i++
            if ($i -ge $words.Length) { Stop-With 2 ($name + ' needs a value') }
            $value = $words[$i]
        }
        elseif ($a.StartsWith('--to=', [StringComparison]::Ordinal)) { $value = $a.Substring(5) }
        elseif ($a.StartsWith('--only=', [StringComparison]::Ordinal)) { $name = '--only'; $value = $a.Substring(7) }
        elseif ($a.StartsWith('-', [StringComparison]::Ordinal)) { Stop-With 2 ('unknown option ' + $a + '; --help lists them') }
        if ($name -ceq '--only') { $only.Add((ConvertTo-SubPath $value)); continue }
        if ($null -ne $target) { Stop-With 2 'there is more than one target folder' }
        if ($value -eq '') { Stop-With 2 'the target folder is empty' }
        $target = $value
    }
    if ($null -eq $target) { $target = $DefaultTarget }
    if ($target -eq '') { Stop-With 2 'no target folder is known; name one with --to DIR' }
    if (-not [System.IO.Path]::IsPathRooted($target)) { $target = [System.IO.Path]::Combine((Get-Location -PSProvider FileSystem).ProviderPath, $target) }
    $target = [System.IO.Path]::GetFullPath($target)
    $lock = Join-Path $Here 'rollback.lock'
    if (-not [System.IO.File]::Exists($lock)) { Stop-With 20 'rollback.lock cannot be read; nothing was touched' }
    if ((Get-Sha256 $lock) -cne '@SHA_LOCK@') { Stop-With 20 'rollback.lock is not what this script was made with: its SHA-256 is wrong; nothing was touched' }
    $varve = Find-Varve
    $mark = [System.IO.Path]::Combine($target, '.varve', 'project.toml')
    $own = [System.IO.File]::Exists($mark) -and [System.IO.File]::ReadAllText($mark).Contains($Project)
    $there = [System.IO.File]::Exists($target) -or ([System.IO.Directory]::Exists($target) -and ([System.IO.Directory]::GetFileSystemEntries($target).Length -gt 0))
    if ((-not $own) -and $there) { Stop-With 1 ($target + ' is neither the project''s folder nor empty; nothing was touched') }
    if ((-not $dry) -and (-not $yes)) {
        if ([Console]::IsInputRedirected -or [Console]::IsOutputRedirected) { Stop-With 2 'nobody can be asked here: add --yes, or --dry-run to see what would be done; nothing was touched' }
        [Console]::Out.Write('put @VERSION@ back in ' + $target + '? [y/N] ')
        $answer = [string][Console]::ReadLine()
        if (@('y', 'yes') -cnotcontains $answer.Trim().ToLowerInvariant()) { Stop-With 1 'not confirmed, nothing was touched' }
    }
    # Through a file: a pipe of PowerShell would make text of the bytes.
    $list = [System.IO.Path]::GetTempFileName()
    try {
        $run = Start-Process -FilePath $varve -ArgumentList ('--vault "' + $Vault + '" -q --project ' + $Project + ' manifest ' + $Snapshot) -NoNewWindow -Wait -PassThru -RedirectStandardOutput $list
        if ($run.ExitCode -ne 0) { Stop-With $run.ExitCode 'the vault does not give the version; nothing was touched' }
        if ((Get-Sha256 $list) -cne '@SHA_MANIFEST@') { Stop-With 20 'the vault has something else for this version; nothing was touched' }
    }
    finally { [System.IO.File]::Delete($list) }
    $words = @('--vault', $Vault, '--yes')
    if ($own) { $words += @('-C', $target, 'restore') }
    else { $words += @('--project', $Project, 'restore', '--to', $target) }
    if ($dry) { $words += '--dry-run' }
    $words += @('--', $Snapshot)
    foreach ($path in $only) {
        if ($own) { $words += [System.IO.Path]::Combine($target, $path) }
        else { $words += $path }
    }
    & $varve $words
    $State.Code = $LASTEXITCODE
    if (($State.Code -eq 0) -and (-not $dry) -and ($only.Count -eq 0)) {
        & $varve '--vault' $Vault '-q' '--project' $Project 'manifest' '--check' $target $Snapshot
        if ($LASTEXITCODE -ne 0) { Stop-With 20 ($target + ' is not as in @VERSION@ after all; varve undo brings back how it was') }
    }
}

try { Invoke-Rollback ([string[]]@($args)) }
catch {
    if ($State.Code -eq 0) { $State.Code = 1 }
    [Console]::Error.WriteLine('rollback: ' + $_.Exception.Message)
}
exit $State.Code
