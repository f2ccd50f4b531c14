# AG_APPEND_FLAGS(VARIABLE, FLAGS, [EXTRA-FLAGS])
# Appends each of FLAGS that the compiler and the linker take without a warning to VARIABLE.
# EXTRA-FLAGS are given with each try.
AC_DEFUN([AG_APPEND_FLAGS], [
  for ag_flag in $2; do
    AC_MSG_CHECKING([whether $CC takes $ag_flag])
    ag_saved_cflags=$CFLAGS
    CFLAGS="$CFLAGS -Werror $3 $ag_flag"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[]], [[]])],
      [AC_MSG_RESULT([yes])
       $1="$$1 $ag_flag"],
      [AC_MSG_RESULT([no])])
    CFLAGS=$ag_saved_cflags
  done
])
