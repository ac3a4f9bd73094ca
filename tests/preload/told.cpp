// told.cpp: new and delete in a program, for watched.sh.
//
//     sites                       leaks by new in all its forms
//     own        -DTOLD_OWN       operators of its own, and only the plain ones: all others go by
//     them plugin.so  -DTOLD_PLUGIN    for told.c, which is a C program lib.so     -DTOLD_LIBRARY
//     operators in a library; -DTOLD_USES_LIBRARY is a program for it
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#if defined(TOLD_OWN) || defined(TOLD_LIBRARY)

int own_news, own_deletes;

void *operator new(std::size_t size) {
    own_news++;
    if (void *block = std::malloc(size + 32)) return static_cast<char *>(block) + 32;
    throw std::bad_alloc();
}

void operator delete(void *block) noexcept {
    if (!block) return;
    own_deletes++;
    std::free(static_cast<char *>(block) - 32);
}

#elif defined(TOLD_USES_LIBRARY)

extern int own_news, own_deletes;

#endif

#ifndef TOLD_LIBRARY
namespace {

// What no compiler may leave out.
template <class T> T *kept(T *pointer) {
    T *volatile hidden = pointer;
    return hidden;
}

#if !defined(TOLD_OWN) && !defined(TOLD_USES_LIBRARY)
std::size_t too_much() {
    volatile std::size_t size = PTRDIFF_MAX;
    return size;
}

// Thrown by whose library it is, and caught: with a handler and without.
bool catches() {
    int caught = 0;
    for (int i = 0; i < 3; i++) {
        try {
            kept(::operator new(too_much()));
        } catch (const std::bad_alloc &) {
            caught++;
        }
        delete kept(new std::string(1000, 'x'));
    }
    return caught == 3 && !kept(::operator new(too_much(), std::nothrow));
}
#endif

} // namespace
#endif

#if defined(TOLD_PLUGIN)

extern "C" int plugin_catches() { return catches(); }

#elif defined(TOLD_OWN) || defined(TOLD_USES_LIBRARY)

// Each of these forms is the standard library's, and a call of the plain one.
int main() {
    for (std::size_t i = 0; i < 1000; i++) {
        ::operator delete(kept(::operator new(i)));
        ::operator delete(kept(::operator new(i)), i);
        ::operator delete(kept(::operator new(i, std::nothrow)), std::nothrow);
        ::operator delete[](kept(::operator new[](i)));
        ::operator delete[](kept(::operator new[](i)), i);
        ::operator delete[](kept(::operator new[](i, std::nothrow)), std::nothrow);
    }
    std::printf("%d news, %d deletes\n", own_news, own_deletes);
    return own_news == 6000 && own_deletes == 6000 ? 0 : 1;
}

#elif !defined(TOLD_LIBRARY)

struct alignas(128) wide {
    char bytes[128];
};

int main() {
    static void *volatile leaked[6];
    leaked[0] = new char[1001];
    leaked[1] = ::operator new(1002);
    leaked[2] = new (std::nothrow) char[1003];
    leaked[3] = ::operator new(1004, std::nothrow);
    leaked[4] = new wide[9];
    leaked[5] = new (std::nothrow) wide;
    ::operator delete(kept(::operator new(1005)));
    return catches() ? 0 : 1;
}

#endif
