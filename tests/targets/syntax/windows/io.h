// Microsoft's C library.
#pragma once
#ifdef __cplusplus
extern "C"
#endif
    int
    _isatty(int file);
