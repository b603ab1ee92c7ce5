# What the checks have in common. A check is a script that is run with runc and
# with hull, as $R, and has to say the same with both; what it leaves behind with
# the name $N is removed.

passed=0 failed=0
work=$(mktemp -d)
I=box          # docker's image
: "${ONLY:=}"  # a pattern: only checks whose names it matches

verdict() { # NAME, what is wrong
	if [ -z "$2" ]; then
		passed=$((passed + 1)); echo "ok - $1"
	else
		failed=$((failed + 1)); echo "not ok - $1"; printf '%s\n' "$2" | sed 's/^/    /'
	fi
}

wanted() { [ -z "$ONLY" ] || printf '%s' "$1" | grep -qE "$ONLY"; }

# said NAME R SCRIPT prints what the script says.
said() {
	d=$work/$2; rm -rf "$d"; mkdir "$d"; chmod 777 "$d"
	(cd "$d" && R=$2 N=c-$2 && export R N I && sh -c ". $checks/words.sh; $3" 2>&1)
	docker rm -f "c-$2" >/dev/null 2>&1
}

# same NAME SCRIPT: what it says is the same with runc and hull.
same() {
	wanted "$1" || return 0
	said "$1" runc "$2" >"$work/want"
	said "$1" hull "$2" >"$work/got"
	if grep -q . "$work/want"; then
		verdict "$1" "$(diff -u --label runc --label hull "$work/want" "$work/got")"
	else
		verdict "$1" "it says nothing, so it checks nothing"
	fi
}

# holds NAME WANT SCRIPT: with hull it says WANT.
holds() {
	wanted "$1" || return 0
	printf '%s\n' "$2" >"$work/want"
	said "$1" hull "$3" >"$work/got"
	verdict "$1" "$(diff -u --label wanted --label hull "$work/want" "$work/got")"
}

summary() {
	rm -rf "$work"
	echo "$1: $passed passed, $failed failed"
	[ "$failed" = 0 ]
}
