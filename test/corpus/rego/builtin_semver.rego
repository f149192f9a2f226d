# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.semver

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"less", "equal", "greater", "valid", "invalid"}

holds contains "less" if semver.compare("1.2.3", "1.10.0") == -1

holds contains "equal" if semver.compare("1.0.0", "1.0.0") == 0

holds contains "greater" if semver.compare("2.0.0", "1.9.9") == 1

holds contains "valid" if semver.is_valid("1.2.3-rc.1")

holds contains "invalid" if semver.is_valid("1.2") == false
