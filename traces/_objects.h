/* What the compiled parts do with Python's objects: slots by their place, dicts, lists.

   A class made with __slots__ has its values at fixed places; asking for them by name takes longer
   than what is done with them here. */

#ifndef RHSCHECK_OBJECTS_H
#define RHSCHECK_OBJECTS_H

#include <Python.h>
#include <structmember.h>

/* Where the slots of a class are. */
enum { MOST_SLOTS = 16 };
typedef struct {
    PyTypeObject *type;
    Py_ssize_t offsets[MOST_SLOTS];
} Slots;

/* Make `slots` those of the object's class, by their names (NULL ends them); -1 with an exception. */
static inline int
slots_of(Slots *slots, PyObject *object, const char *const *names)
{
    if (slots->type == Py_TYPE(object))
        return 0;
    for (int number = 0; names[number] != NULL; number++) {
        PyObject *found = PyObject_GetAttrString((PyObject *)Py_TYPE(object), names[number]);
        if (found == NULL)
            return -1;
        int is_slot = number < MOST_SLOTS && Py_IS_TYPE(found, &PyMemberDescr_Type)
                      && ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX;
        if (is_slot)
            slots->offsets[number] = ((PyMemberDescrObject *)found)->d_member->offset;
        Py_DECREF(found);
        if (!is_slot) {
            PyErr_Format(PyExc_TypeError, "%s is no slot", names[number]);
            return -1;
        }
    }
    slots->type = Py_TYPE(object);
    return 0;
}

static inline PyObject **
slot(const Slots *slots, PyObject *object, int number)
{
    return (PyObject **)((char *)object + slots->offsets[number]);
}

/* What a dict has for the key; NULL, perhaps with an exception. */
static inline PyObject *
looked_up(PyObject *dict, PyObject *key)
{
    return dict == NULL || !PyDict_Check(dict) ? NULL : PyDict_GetItemWithError(dict, key);
}

/* Put the item, which is new (NULL: with an exception), at the end of the list. */
static inline int
append_new(PyObject *list, PyObject *item)
{
    if (item == NULL)
        return -1;
    int status = PyList_Append(list, item);
    Py_DECREF(item);
    return status;
}

#endif
