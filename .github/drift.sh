#!/usr/bin/env bash
# Compares a stack with what runs, and keeps one open issue for as long as they differ. Fails when they do, and when nobody
# could tell. STACK, RUN_URL, GH_TOKEN, GH_REPO and what Pulumi needs come from the environment.
set -euo pipefail

title="Stack $STACK has drifted"
report=$(mktemp)
body=$(mktemp)
trap 'rm -f "$report" "$body"' EXIT

open_issue() {
  gh issue list --state open --label drift --json number,title --jq ".[] | select(.title == \"$title\") | .number" | head -n 1
}

code=0
pulumi preview --stack "$STACK" --refresh --expect-no-changes --diff --suppress-outputs --non-interactive --color never \
  > "$report" 2>&1 || code=$?
cat "$report"

if [ "$code" -eq 0 ]; then
  issue=$(open_issue)
  [ -z "$issue" ] || gh issue close "$issue" --comment "As declared again: $RUN_URL"
  exit 0
fi
if ! grep -q 'no changes were expected' "$report"; then
  echo "::error::Stack $STACK could not be compared with what runs; the output above says why." >&2
  exit "$code"
fi

# GitHub takes 65,536 characters; the summary is at the end. Tildes: no line of a patch begins with four of them.
{
  printf 'What runs differs from what is declared. Bring it back with `pulumi up`, or declare it. Run: %s\n\n' "$RUN_URL"
  printf '~~~~diff\n%s\n~~~~\n' "$(tail -c 60000 "$report")"
} > "$body"
gh label create drift --force --description "What runs differs from what is declared" > /dev/null
issue=$(open_issue)
if [ -z "$issue" ]; then
  gh issue create --title "$title" --label drift --body-file "$body"
else
  gh issue edit "$issue" --body-file "$body"
fi
echo "::error::$title; the open issue says what." >&2
exit 1
