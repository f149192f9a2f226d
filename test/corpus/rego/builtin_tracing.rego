# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.tracing

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"trace", "print"}

holds contains "trace" if trace("a note")

holds contains "print" if print("a", 1)
