package experiment

import (
	"fmt"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Scope says which paths of a project a rollback may touch: those that a pattern takes in, and none that one leaves
// out. Patterns are globs with **, from the project's folder; one without a slash stands for a name at any depth, and
// one that names a folder for all that is in it.
type Scope struct {
	In  []string // nil: code and configuration
	Out []string // added to what is never touched
}

// source is what only people write, wherever it lies: data folders hold loaders, and models are code too.
func source() []string {
	return []string{"*.py", "*.pyi", "*.ipynb", "*.pyx", "*.pxd", "*.go", "*.c", "*.cc", "*.cpp", "*.cxx", "*.h", "*.hh", "*.hpp", "*.cu", "*.cuh",
		"*.rs", "*.java", "*.kt", "*.scala", "*.js", "*.mjs", "*.cjs", "*.ts", "*.tsx", "*.jsx", "*.lua", "*.rb", "*.pl", "*.jl", "*.r", "*.R", "*.m", "*.mm", "*.swift", "*.cs", "*.gd",
		"*.f90", "*.sql", "*.sh", "*.bash", "*.zsh", "*.fish", "*.ps1", "*.bat", "*.cmd", "*.mk", "*.cmake", "*.proto", "*.thrift", "*.glsl", "*.hlsl", "*.wgsl"}
}

// configuration is what people write where no run writes.
func configuration() []string {
	return []string{"*.toml", "*.yaml", "*.yml", "*.json", "*.json5", "*.jsonc", "*.ini", "*.cfg", "*.conf", "*.config", "*.properties", "*.env", "*.xml", "*.gin", "*.hcl", "*.tf",
		"*.jinja", "*.j2", "*.tmpl", "*.html", "*.css", "*.scss", "*.md", "*.rst", "*.txt", "*.mod", "*.sum", "*.lock", "Makefile", "Dockerfile", "Containerfile", "Jenkinsfile",
		"Procfile", "Pipfile", "BUILD", "WORKSPACE", "LICENSE", ".gitignore", ".gitattributes", ".varveignore", ".dockerignore", ".editorconfig", ".env*"}
}

// written is what a run writes, or reads and must not lose.
func written() []string {
	return []string{"logs", "log", "*.log", "runs", "wandb", "mlruns", "dvclive", "lightning_logs", "tensorboard",
		"data", "dataset", "datasets", "outputs", "output", "out", "results", "artifacts", "checkpoints", "checkpoint", "ckpt", "checkpoint-*", "weights", "predictions",
		"metrics.*", "metrics", "results.*", "*_results.json", "results_*.json", "trainer_state.json", "history.json"}
}

// foreign is what neither people nor runs of this project write.
func foreign() []string {
	return []string{".git", ".varve", ".venv", "venv", "node_modules", "__pycache__", "site-packages"}
}

// Check reports the first pattern that cannot be read.
func (s Scope) Check() error {
	for _, p := range append(append([]string(nil), s.In...), s.Out...) {
		if p == "" || !doublestar.ValidatePattern(p) {
			return fmt.Errorf("scope: %q is not a pattern", p)
		}
		if strings.HasPrefix(p, "/") || p == ".." || strings.HasPrefix(p, "../") || strings.HasSuffix(p, "/..") || strings.Contains(p, "/../") || strings.Contains(p, `\`) {
			return fmt.Errorf("scope: %q: patterns go from the project's folder, with slashes", p)
		}
	}
	return nil
}

// Holds reports whether a path is in the scope. What is named in In counts, whatever it is; Out always
// wins.
func (s Scope) Holds(at string) bool {
	if matchesAny(s.Out, at) || at == ".varve" || strings.HasPrefix(at, ".varve/") {
		return false
	}
	if len(s.In) > 0 {
		return matchesAny(s.In, at)
	}
	return !matchesAny(foreign(), at) && (matchesAny(source(), at) || matchesAny(configuration(), at) && !matchesAny(written(), at))
}

func matchesAny(patterns []string, at string) bool {
	for _, p := range patterns {
		if matches(p, at) {
			return true
		}
	}
	return false
}

// matches reports whether a pattern takes in a path, by itself or with a folder it is in.
func matches(pattern, at string) bool {
	pattern = strings.TrimPrefix(strings.TrimSuffix(pattern, "/"), "./")
	if pattern == "." || pattern == "**" {
		return true
	}
	for ; at != "." && at != "" && at != "/"; at = path.Dir(at) {
		subject := at
		if !strings.Contains(pattern, "/") {
			subject = path.Base(at)
		}
		if ok, _ := doublestar.Match(pattern, subject); ok {
			return true
		}
	}
	return false
}
