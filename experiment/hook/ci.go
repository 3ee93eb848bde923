package hook

import "fmt"

// Systems are the CI systems that Step knows.
func Systems() []string { return []string{"github", "gitlab"} }

// Step is what to put into a CI's file: a snapshot, and a guarded command.
func Step(system string) (string, error) {
	switch system {
	case "github":
		return githubStep, nil
	case "gitlab":
		return gitlabStep, nil
	}
	return "", fmt.Errorf("no CI is called %q here; there are github and gitlab", system)
}

const githubStep = `# Steps of a job, after actions/checkout. varve must be in PATH; the vault lies where the next run finds it again,
# for instance s3://HOST/BUCKET/PREFIX, and its password is a secret of the repository.
- name: Keep the state
  env:
    VARVE_VAULT: ${{ vars.VARVE_VAULT }}
    VARVE_PASSWORD: ${{ secrets.VARVE_PASSWORD }}
  run: varve snap -q -m "CI run $GITHUB_RUN_ID of $GITHUB_SHA" --tag "commit=$GITHUB_SHA"
- name: Train, guarded
  env:
    VARVE_VAULT: ${{ vars.VARVE_VAULT }}
    VARVE_PASSWORD: ${{ secrets.VARVE_PASSWORD }}
  # Exit code 4: the policy was broken, and the scope was rolled back.
  run: varve guard --name "ci-$GITHUB_RUN_ID" --policy policy.toml -- python train.py
`

const gitlabStep = `# A job. varve must be in PATH; the vault lies where the next run finds it again, for instance s3://HOST/BUCKET/PREFIX.
# VARVE_VAULT and VARVE_PASSWORD are variables of the project (Settings, CI/CD), the password masked.
train:
  script:
    - varve snap -q -m "CI job $CI_JOB_ID of $CI_COMMIT_SHA" --tag "commit=$CI_COMMIT_SHA"
    # Exit code 4: the policy was broken, and the scope was rolled back.
    - varve guard --name "ci-$CI_JOB_ID" --policy policy.toml -- python train.py
`
