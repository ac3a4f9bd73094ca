// POSIX. A key is a number on each of these systems, of different widths.
#pragma once
#ifdef __cplusplus
extern "C" {
#endif
#ifdef __APPLE__
typedef unsigned long pthread_key_t;
#else
typedef int pthread_key_t;
#endif
int pthread_key_create(pthread_key_t *key, void (*end)(void *));
int pthread_key_delete(pthread_key_t key);
int pthread_setspecific(pthread_key_t key, const void *value);
void *pthread_getspecific(pthread_key_t key);
int pthread_atfork(void (*before)(void), void (*after)(void), void (*in_child)(void));
#ifdef __cplusplus
}
#endif
