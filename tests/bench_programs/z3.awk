# z3.awk: a problem for z3, the same every time: N + 1 pigeons and N holes, and a multiplication of
# bit vectors.
BEGIN {
    n = 8
    print "(set-option :smt.random_seed 1)\n(set-logic QF_BV)"
    for (i = 0; i <= n; i++)
        for (j = 0; j < n; j++)
            print "(declare-const p" i "_" j " Bool)"
    print "(push)"
    for (i = 0; i <= n; i++) {
        line = "(assert (or"
        for (j = 0; j < n; j++) line = line " p" i "_" j
        print line "))"
    }
    for (j = 0; j < n; j++)
        for (i = 0; i <= n; i++)
            for (k = i + 1; k <= n; k++)
                print "(assert (or (not p" i "_" j ") (not p" k "_" j ")))"
    print "(check-sat)\n(pop)"
    print "(declare-const x (_ BitVec 32))\n(declare-const y (_ BitVec 32))"
    print "(assert (= (bvmul x y) #x3B9ACA07))\n(assert (bvugt x #x00000001))"
    print "(assert (bvugt y #x00000001))\n(assert (bvult x #x00010000))"
    print "(assert (bvult y #x00010000))\n(check-sat)"
}
