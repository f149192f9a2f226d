# case: {"input":{},"data":{},"expect":{"kind":"defined","allow":true,"reasons":[]}}
package corpus.regex

default allow := false

allow if count(deny) == 0

deny contains label if {
	some label in labels
	not label in holds
}

labels := {"match", "no match", "valid", "find", "find all", "replace", "split", "template", "submatch"}

holds contains "match" if regex.match("^0x[0-9a-f]{4}$", "0xab12")

holds contains "no match" if regex.match("^a$", "b") == false

holds contains "valid" if regex.is_valid("(")  == false

holds contains "find" if regex.find_n("[0-9]+", "a1b22c333", 2) == ["1", "22"]

holds contains "find all" if count(regex.find_n("[0-9]+", "a1b22c333", -1)) == 3

holds contains "replace" if regex.replace("a1b2", "[0-9]", "#") == "a#b#"

holds contains "split" if regex.split(",+", "a,,b,c") == ["a", "b", "c"]

holds contains "template" if regex.template_match("urn:foo:{.*}", "urn:foo:bar", "{", "}")

holds contains "submatch" if regex.find_all_string_submatch_n("a(x*)b(y|z)?c", "-axxxbyc-abzc-", -1) == [["axxxbyc", "xxx", "y"], ["abzc", "", "z"]]
