# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.net

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"valid", "invalid", "contains", "not contained", "expand"}

holds contains "valid" if net.cidr_is_valid("10.0.0.0/8")

holds contains "invalid" if net.cidr_is_valid("10.0.0.0") == false

holds contains "contains" if net.cidr_contains("10.0.0.0/8", "10.1.2.3")

holds contains "not contained" if net.cidr_contains("10.0.0.0/8", "11.0.0.1") == false

holds contains "expand" if count(net.cidr_expand("192.168.0.0/30")) == 4
