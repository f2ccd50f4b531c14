#include "unit.h"

#include <stdlib.h>

int main(void) {
    SRunner *runner = srunner_create(unit_suite());
    srunner_run_all(runner, CK_ENV);
    int tests = srunner_ntests_run(runner);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    /* A program that ran nothing has not shown anything. */
    return failed == 0 && tests > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
