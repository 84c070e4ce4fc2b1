//! Longer texts of the help.

pub(super) const AFTER_HELP: &str = "\
Start here:
  huntbook demo                          everything at once, against a simulated tenant
  huntbook validate                      check settings, playbooks and lists, offline
  huntbook doctor                        what keeps playbooks from working: permissions, sign-in, …
  huntbook test                          play the tests of playbooks, offline
  huntbook run PLAYBOOK --dry-run        what one playbook would do, changing nothing
  huntbook serve                         run all playbooks on their schedules

Exit codes:
    0  fine
    1  a run failed or was halted, something waits for a person, or the world failed
    2  wrong usage; a playbook, tenant, action, code or id that does not exist
   78  settings, secrets or playbooks are refused or not there
  130  a dry run or the demonstration was ended (Ctrl-C; 129 for SIGHUP, 143 for SIGTERM)
  141  whoever read the output went away (`| head`)";

pub(super) const TEST_HELP: &str = "\
A file of tests, psexec.test.yaml:

  # yaml-language-server: $schema=../schemas/test.schema.json
  playbook: psexec.yaml
  tests:
    - name: isolates the noisy host and leaves the domain controller alone
      clock: 2026-01-10T12:00:00Z
      given:
        tables: {DeviceFileEvents: fixtures/psexec.ndjson}   # the query runs over them
        machines: fixtures/machines.json
      expect:
        acted: [{id: isolate, device: wks-017.contoso.example}]
        skipped: [{device: dc01.contoso.example, reason: excluded}]
        notified: [{channel: soc-teams, titleContains: 1 contained}]
    - name: keeps quiet for a day
      given: {hunt: [{DeviceId: 71d1b8a3e47c6f0592ad3c48e1b0f76d25a98c4f, Files: 42}]}
      steps:
        - {at: 0h, expect: {acted: 1}}
        - {at: 1h, expect: {duplicates: 1}}

A list is exact, in any order; a number counts; what is left out is not looked at, but whatever fails
must be expected. `huntbook schema test` has every key.

Exit codes: 0 all passed; 1 a test failed; 2 wrong usage, or the filter fits nothing; 78 a file was refused.";
