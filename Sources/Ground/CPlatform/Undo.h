#pragma once
#include <stdbool.h>
#include <sys/types.h>

void undo_add_program(pid_t program, bool own_group);
// `end_group`: and end what is left of its group.
void undo_forget_program(pid_t program, bool end_group);
void undo_stop_program(pid_t program);
