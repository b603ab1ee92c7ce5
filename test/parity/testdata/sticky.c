#include "t.h"

int main(int argc, char **argv) {
	mkdir("t", 0777);
	chmod("t", 01777);
	spew("t/root", "x");
	CHILD("user", {
		setuid(3000);
		R(unlink("t/root"));
		R(rename("t/root", "t/mine"));
		spew("t/own", "y");
		R(unlink("t/own"));
	});
	chmod("t", 0777);
	CHILD("user", {
		setuid(3000);
		R(unlink("t/root"));
	});
	return 0;
}
