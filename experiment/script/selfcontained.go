package script

import (
	"context"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
)

//go:embed drivers
var drivers embed.FS

// selfContained makes the folder that needs neither varve nor the vault.
func (w *writer) selfContained(ctx context.Context) error {
	list, err := w.entries(ctx)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].Type == "file" {
			w.result.Files++
		}
	}
	// The payload comes first: where the vault keeps no SHA-256, it is known by then.
	payload, err := w.put("payload.tar.gz", 0o644, func(out io.Writer) error { return w.archive(ctx, out, list) })
	if err != nil {
		return err
	}
	w.result.SHA256 = payload
	entries, err := w.put("ENTRIES", 0o644, func(out io.Writer) error { return writeEntries(out, list) })
	if err != nil {
		return err
	}
	manifest, err := w.put("MANIFEST.json", 0o644, func(out io.Writer) error { return w.writeManifest(out, list) })
	if err != nil {
		return err
	}
	sums, err := w.put("SHA256SUMS", 0o644, func(out io.Writer) error { return writeSums(out, list, payload) })
	if err != nil {
		return err
	}
	return w.drivers("self", map[string]string{"SHA_PAYLOAD": payload, "SHA_ENTRIES": entries, "SHA_MANIFEST": manifest, "SHA_SUMS": sums})
}

// drivers fills in the drivers of a kind and their README.
func (w *writer) drivers(kind string, values map[string]string) error {
	values["VERSION"] = w.snapshot.Ref()
	values["NAME"] = strings.NewReplacer("'", "?", `"`, "?", "`", "?", "$", "?", `\`, "?", "#", "?").Replace(oneLine(w.snapshot.Name))
	values["SNAPSHOT"] = w.snapshot.ID.String()
	values["TIME"] = w.snapshot.Time.UTC().Format("2006-01-02 15:04:05 UTC")
	for _, f := range []struct {
		from, to string
		mode     fs.FileMode
		quote    func(string) string
	}{
		{kind + ".sh", "rollback.sh", 0o755, quoteShell}, {kind + ".py", "rollback.py", 0o755, quotePython},
		{kind + ".ps1", "rollback.ps1", 0o644, quotePowerShell}, {kind + ".txt", "README.txt", 0o644, oneLine},
	} {
		text, err := drivers.ReadFile("drivers/" + f.from)
		if err != nil {
			return err
		}
		pairs := []string{"@TARGET@", f.quote(w.target()), "@VAULT@", f.quote(w.options.Vault)}
		for k, v := range values {
			pairs = append(pairs, "@"+k+"@", v)
		}
		if _, err := w.putText(f.to, f.mode, strings.NewReplacer(pairs...).Replace(string(text))); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) target() string {
	if w.options.Target == "" || !filepath.IsAbs(w.options.Target) {
		return ""
	}
	return w.options.Target
}

// quoteShell makes one word of POSIX sh.
func quoteShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// quotePython makes an expression of Python that is the text as names of files are.
func quotePython(s string) string {
	var b strings.Builder
	b.WriteString(`os.fsdecode(b"`)
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteString(`")`)
	return b.String()
}

// quotePowerShell makes an expression of PowerShell. The 5.1 of Windows takes a script without a mark for one in the
// alphabet of the machine: so it is ASCII.
func quotePowerShell(s string) string {
	if s == oneLine(s) {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return "[Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('" + base64.StdEncoding.EncodeToString([]byte(s)) + "'))"
}
