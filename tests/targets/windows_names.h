// windows_names.h: windows.h takes words away that the tests use for themselves. To be included
// first (-include), so that memmgr.h's own #include of it changes nothing any more.
#include <windows.h>
#undef near
#undef far
#undef small
