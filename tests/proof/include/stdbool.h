// stdbool.h: as stdint.h beside it.
#ifndef PROOF_STDBOOL_H
#define PROOF_STDBOOL_H

#define bool _Bool
#define true 1
#define false 0

#endif
