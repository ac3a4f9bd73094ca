// The C standard's. On the systems this stands in for errno is a macro for a call.
#pragma once
int *errno_of_thread(void);
#define errno (*errno_of_thread())
#define EINVAL 22
#define ENOMEM 12
