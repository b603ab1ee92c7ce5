# What the checks have in common. A check is a script that is run with runc and
# with hull, as $R, and has to say the same with both; what it leaves behind with
# the name $N is removed.

passed=0 failed=0
work=$(mktemp -d)
I=box          # docker's image
: "${ONLY:=}"  # a pattern: only checks whose names it matches
: "${PATIENCE:=600}"  # seconds that a check may take with one runtime

verdict() { # NAME, what is wrong, what to say of runc and of hull in the table
	if [ -z "$2" ]; then
		passed=$((passed + 1)); echo "ok - $1"
	else
		failed=$((failed + 1)); echo "not ok - $1"; printf '%s\n' "$2" | sed 's/^/    /'
	fi
	printf '| %s | %s | %s |\n' "$1" "$3" "$4" >>"$work/table"
}

wanted() { [ -z "$ONLY" ] || printf '%s' "$1" | grep -qE "$ONLY"; }

# said NAME R SCRIPT prints what the script says. One that hangs is ended, so that
# the others have their turn.
said() {
	d=$work/$2; rm -rf "$d"; mkdir "$d"; chmod 777 "$d"
	(cd "$d" && R=$2 N=c-$2 && export R N I && timeout -k 10 "$PATIENCE" sh -c ". $checks/words.sh; $3" 2>&1; [ $? != 124 ] || echo "not done in $PATIENCE s")
	timeout -k 10 120 docker rm -f "c-$2" >/dev/null 2>&1
}

# timed FILE ARGS...: said, into the file; $took is how many seconds it took
timed() {
	file=$1; shift; took=$(date +%s)
	said "$@" >"$file"
	took=$(($(date +%s) - took))
}

# same NAME SCRIPT: what it says is the same with runc and hull.
same() {
	wanted "$1" || return 0
	timed "$work/want" "$1" runc "$2"; runc=$took
	timed "$work/got" "$1" hull "$2"
	if grep -q . "$work/want"; then
		wrong=$(diff -u --label runc --label hull "$work/want" "$work/got")
		is=same; [ -z "$wrong" ] || is=differs
		verdict "$1" "$wrong" "$(wc -l <"$work/want") lines, $runc s" "$is, $took s"
	else
		verdict "$1" "it says nothing, so it checks nothing" "nothing, $runc s" "-"
	fi
}

# holds NAME WANT SCRIPT: with hull it says WANT.
holds() {
	wanted "$1" || return 0
	printf '%s\n' "$2" >"$work/want"
	timed "$work/got" "$1" hull "$3"
	wrong=$(diff -u --label wanted --label hull "$work/want" "$work/got")
	is=holds; [ -z "$wrong" ] || is='does not hold'
	verdict "$1" "$wrong" - "$is, $took s"
}

summary() {
	echo "| check | runc | hull |"
	echo "|---|---|---|"
	cat "$work/table"
	rm -rf "$work"
	echo "$1: $passed passed, $failed failed"
	[ "$failed" = 0 ]
}
