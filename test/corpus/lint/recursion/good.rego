package guard

default allow := false

allow if count(deny) == 0

deny contains "not trusted" if not trusted

trusted if known

known if input.to != ""
