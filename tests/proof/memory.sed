# memory.sed: a segment's map, index and classes as objects of their own, for CBMC, which else takes
# every write to the map for one that may change the segment's header. Nothing is lost: each proof
# also shows that no access leaves these objects, and arith.c that in memory the header, the index,
# the map and the granules lie one behind the other. The same for where memmgr_pool_init makes a
# pool: pool.c says where, and proves it.
/^} mmi_class;$/a PROOF_MEMORY
s/(memmgr_pool \*)(void \*)((char \*)memory + skip);/PROOF_POOL((char *)memory + skip);/
s/return (mmi_entry \*)((uintptr_t)segment + segment->map_offset);/return (void)segment, proof_map;/
s/return (uint8_t \*)((uintptr_t)segment + segment->index_offset + segment->level_offset\[level\]);/return proof_index + segment->level_offset[level];/
s/return (mmi_class \*)((uintptr_t)segment + MMI_SEGMENT_SIZE) + length;/return proof_classes + length;/
s/return (uint32_t \*)((uintptr_t)segment + segment->slots_offset) + kept->first;/return (void)segment, proof_slots + kept->first;/
s/return (mmi_segment \*)((uintptr_t)pool + MMI_POOL_SIZE);/return (mmi_segment *)(void *)((char *)pool + MMI_POOL_SIZE);/
