// task.h: a scheduler that counts how often it is suspended. Its code is scheduler.c.
#ifndef TASK_H
#define TASK_H
void vTaskSuspendAll(void);
long xTaskResumeAll(void);
#endif
