/* Lines of a recording (rhs-trace/1) that are calls and returns, in compiled code.

   Owns two functions. `read` goes over whole lines and gives them as columns, a call and its return
   on the next line together. It accepts only lines in the one canonical form, byte for byte; of any
   stretch in which something else stands it says so, and rhscheck.traces reads it as it always does.
   `walk` takes calls that return on the next line as rhscheck.traces.steady would, and stops at the
   first that is not ordinary. Neither holds any state. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <string.h>

typedef struct {
    const char *begin; /* of the line */
    long long time, number;
    const char *kind;    /* from `"host"` on */
    const char *event;   /* behind `"ev":"` */
    const char *op;      /* behind `"op":"` */
    const char *kind_end; /* behind the quote that ends the entry point's name */
    int is_call;
    long long id; /* -1: it has none */
    int has_code;
    long long code;
    const char *end; /* behind the line feed */
} Line;

static const char *
skip(const char *at, const char *end, const char *text, size_t size)
{
    if (at == NULL || (size_t)(end - at) < size || memcmp(at, text, size) != 0)
        return NULL;
    return at + size;
}

#define SKIP(at, end, text) skip(at, end, text, sizeof(text) - 1)

/* Behind a number as JSON writes it, of at most 18 digits; NULL if it is none. */
static const char *
take_number(const char *at, const char *end, long long *number)
{
    const char *first = at;
    long long found = 0;
    if (at == NULL)
        return NULL;
    while (at < end && *at >= '0' && *at <= '9' && at - first < 19) {
        found = found * 10 + (*at - '0');
        at++;
    }
    if (at == first || at - first > 18 || (*first == '0' && at - first > 1))
        return NULL;
    *number = found;
    return at;
}

/* Behind the quote that ends a string which has begun; NULL if there is none.

   A quote with a backslash before it ends no string. Then what is taken for the kind of the line is
   no JSON, and nothing is known for it. */
static const char *
skip_string(const char *at, const char *end)
{
    if (at == NULL)
        return NULL;
    const char *quote = memchr(at, '"', end - at);
    return quote == NULL ? NULL : quote + 1;
}

/* The line that begins here; 0 if it is not in the usual form. */
static int
take_line(const char *at, const char *end, Line *line)
{
    long long thread;
    const char *feed = memchr(at, '\n', end - at), *next;
    if (feed == NULL)
        return 0;
    line->begin = at;
    line->end = feed + 1;
    at = take_number(SKIP(at, feed, "{\"ts\":"), feed, &line->time);
    at = take_number(SKIP(at, feed, ",\"seq\":"), feed, &line->number);
    at = SKIP(at, feed, ",");
    line->kind = at;
    at = SKIP(skip_string(SKIP(at, feed, "\"host\":\""), feed), feed, ",");
    if ((next = SKIP(at, feed, "\"mon\":\"")) != NULL)
        at = SKIP(skip_string(next, feed), feed, ",");
    if ((next = SKIP(at, feed, "\"tid\":")) != NULL)
        at = SKIP(take_number(next, feed, &thread), feed, ",");
    at = SKIP(skip_string(SKIP(at, feed, "\"res\":\""), feed), feed, ",\"ev\":\"");
    line->event = at;
    line->is_call = SKIP(at, feed, "call") != NULL;
    at = line->is_call ? SKIP(at, feed, "call") : SKIP(at, feed, "return");
    line->op = at = SKIP(at, feed, "\",\"op\":\"");
    line->kind_end = at = skip_string(at, feed);
    line->id = -1;
    if ((next = SKIP(at, feed, ",\"cid\":")) != NULL)
        at = take_number(next, feed, &line->id);
    line->has_code = 0;
    if ((next = SKIP(at, feed, ",\"rc\":")) != NULL) {
        int negative = next < feed && *next == '-';
        at = take_number(next + negative, feed, &line->code);
        if (negative && line->code == 0)
            return 0;
        line->code = negative ? -line->code : line->code;
        line->has_code = 1;
    }
    at = SKIP(at, feed, "}");
    /* A call has no code, a return has one. */
    return at == feed && line->has_code != line->is_call;
}

/* Whether `back` is the return of `call`. */
static int
is_return_of(const Line *back, const Line *call)
{
    size_t before = call->event - call->kind, op = call->kind_end - call->op;
    return call->is_call && !back->is_call && back->id == call->id
           && (size_t)(back->event - back->kind) == before
           && memcmp(back->kind, call->kind, before) == 0
           && (size_t)(back->kind_end - back->op) == op && memcmp(back->op, call->op, op) == 0;
}

static int
append_new(PyObject *list, PyObject *item)
{
    if (item == NULL)
        return -1;
    int status = PyList_Append(list, item);
    Py_DECREF(item);
    return status;
}

/* What `known`, and else `find`, has for the line: a new reference, NULL with an exception. */
static PyObject *
kind_of(const Line *line, PyObject *known, PyObject *find)
{
    PyObject *key = PyBytes_FromStringAndSize(line->kind, line->kind_end - line->kind);
    if (key == NULL)
        return NULL;
    PyObject *found = Py_XNewRef(PyDict_GetItemWithError(known, key));
    if (found == NULL && !PyErr_Occurred())
        found = PyObject_CallOneArg(find, key);
    Py_DECREF(key);
    return found;
}

enum { KINDS, BEGUN, ENDED, IDS, CODES, COLUMNS };

static int
append_step(PyObject **columns, PyObject *kind, const Line *line, const Line *back)
{
    const Line *coded = back != NULL ? back : line;
    return PyList_Append(columns[KINDS], kind) < 0
                   || append_new(columns[BEGUN], PyLong_FromLongLong(line->time)) < 0
                   || append_new(
                          columns[ENDED],
                          back == NULL ? Py_NewRef(Py_None) : PyLong_FromLongLong(back->time)) < 0
                   || append_new(columns[IDS], PyLong_FromLongLong(line->id)) < 0
                   || append_new(
                          columns[CODES],
                          coded->has_code ? PyLong_FromLongLong(coded->code)
                                          : Py_NewRef(Py_None)) < 0
               ? -1
               : 0;
}

/* The pass; -1 with an exception, 0 if something else stands there, else 1. */
static int
go_over(
    const char *at, const char *end, PyObject *known, PyObject *find, PyObject **columns,
    long long *first, Py_ssize_t *count, int *in_order)
{
    Line lines[2];
    Line *line = &lines[0], *next = &lines[1];
    long long number = 0, time = 0;
    int status = 1, ahead = 0;
    while (at < end || ahead) {
        if (!ahead && !take_line(at, end, line))
            return 0;
        ahead = 0;
        at = line->end;
        if (*count == 0)
            *first = number = line->number;
        else if (line->number != ++number || line->time < time)
            *in_order = 0;
        time = line->time;
        *count += 1;
        const Line *back = NULL;
        if (line->is_call && at < end) {
            if (!take_line(at, end, next))
                return 0;
            if (is_return_of(next, line) && next->number == number + 1 && next->time >= time) {
                back = next;
                number++;
                time = next->time;
                at = next->end;
                *count += 1;
            }
            else
                ahead = 1;
        }
        PyObject *kind = kind_of(line, known, find);
        if (kind == NULL)
            return -1;
        if (kind == Py_None)
            status = 0;
        else if (append_step(columns, kind, line, back) < 0)
            status = -1;
        Py_DECREF(kind);
        if (status != 1)
            return status;
        if (ahead) {
            Line *other = line;
            line = next;
            next = other;
        }
    }
    return 1;
}

PyDoc_STRVAR(
    read_doc,
    "read(text, known, find, /)\n--\n\n"
    "Go over `text`, whole lines. `known` (a dict) and then `find` say what stands for the bytes\n"
    "of a line from `\"host\"` to the end of `op`, in which they may not be mistaken; None: nothing.\n"
    "None: something else than calls and returns in the usual form stands there. Else (kinds,\n"
    "begun, ended, ids, codes, first, count, in_order): a step is a call and its return on the\n"
    "next line, or a call (no code) or a return (a code) by itself, and `ended` of it None; ids are\n"
    "-1 where there are none. The number of the first line, how many lines there are, and\n"
    "whether the numbers go on by one and the times do not go back.");

static PyObject *
read_lines(PyObject *module, PyObject *args)
{
    PyObject *text, *known, *find, *result = NULL, *columns[COLUMNS] = {NULL};
    if (!PyArg_ParseTuple(args, "SO!O:read", &text, &PyDict_Type, &known, &find))
        return NULL;
    const char *at = PyBytes_AS_STRING(text), *end = at + PyBytes_GET_SIZE(text);
    long long first = 0;
    Py_ssize_t count = 0;
    int in_order = 1;
    for (int column = 0; column < COLUMNS; column++) {
        if ((columns[column] = PyList_New(0)) == NULL)
            goto done;
    }
    switch (go_over(at, end, known, find, columns, &first, &count, &in_order)) {
    case 0:
        result = Py_NewRef(Py_None);
        break;
    case 1:
        result = Py_BuildValue(
            "(OOOOOLnO)", columns[KINDS], columns[BEGUN], columns[ENDED], columns[IDS],
            columns[CODES], first, count, in_order ? Py_True : Py_False);
        break;
    default:
        break;
    }
done:
    for (int column = 0; column < COLUMNS; column++)
        Py_XDECREF(columns[column]);
    return result;
}

/* ---- walking ------------------------------------------------------------------------------- */

/* Where the slots of a class are that was made with __slots__. */
typedef struct {
    PyTypeObject *type;
    Py_ssize_t offsets[5];
} Slots;

static const char *const KIND_SLOTS[] = {"walker", "rounds", "host", "op", NULL};
static const char *const WALKER_SLOTS[] = {"walks", "node", "op", "cid", "count"};
static const char *const NODE_SLOTS[] = {"rounds", NULL};
enum { KIND_WALKER, KIND_ROUNDS, KIND_HOST, KIND_OP };
enum { WALKER_WALKS, WALKER_NODE, WALKER_OP, WALKER_ID, WALKER_COUNT };
enum { NODE_ROUNDS };

/* Make `slots` those of the object's class; -1 with an exception. */
static int
slots_of(Slots *slots, PyObject *object, const char *const *names)
{
    if (slots->type == Py_TYPE(object))
        return 0;
    for (int number = 0; number < 5 && names[number] != NULL; number++) {
        PyObject *found = PyObject_GetAttrString((PyObject *)Py_TYPE(object), names[number]);
        if (found == NULL)
            return -1;
        int is_slot = Py_IS_TYPE(found, &PyMemberDescr_Type)
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

static PyObject **
slot(const Slots *slots, PyObject *object, int number)
{
    return (PyObject **)((char *)object + slots->offsets[number]);
}

/* What a dict that stands in a slot has for the key; NULL, perhaps with an exception. */
static PyObject *
looked_up(PyObject *dict, PyObject *key)
{
    return dict == NULL || !PyDict_Check(dict) ? NULL : PyDict_GetItemWithError(dict, key);
}

/* Note the id of a call; -1 with an exception. */
static int
note_call(const Slots *of_kind, const Slots *of_walker, PyObject *kind, PyObject *walker, PyObject *id)
{
    PyObject **op = slot(of_walker, walker, WALKER_OP), *its_op = *slot(of_kind, kind, KIND_OP);
    if (*op != its_op) {
        PyObject *done = PyObject_CallMethod(walker, "settle", NULL);
        if (done == NULL)
            return -1;
        Py_DECREF(done);
        Py_XSETREF(*op, Py_XNewRef(its_op));
    }
    Py_XSETREF(*slot(of_walker, walker, WALKER_ID), Py_NewRef(id));
    return 0;
}

/* Take one step: 1; 0 if it is not ordinary, and nothing has changed; -1 with an exception. */
static int
take_step(
    Slots *of_kind, Slots *of_walker, Slots *of_node, PyObject *kind, PyObject *begun,
    PyObject *ended, PyObject *id, PyObject *code, PyObject *host)
{
    PyObject *walker = *slot(of_kind, kind, KIND_WALKER);
    if (ended == Py_None || walker == NULL || walker == Py_None
        || *slot(of_kind, kind, KIND_HOST) != host)
        return 0;
    if (slots_of(of_walker, walker, WALKER_SLOTS) < 0)
        return -1;
    PyObject *node = *slot(of_walker, walker, WALKER_NODE);
    if (*slot(of_walker, walker, WALKER_WALKS) != Py_True || node == NULL)
        return 0;
    if (slots_of(of_node, node, NODE_SLOTS) < 0)
        return -1;
    PyObject *number = looked_up(*slot(of_kind, kind, KIND_ROUNDS), code), *way = NULL;
    if (number != NULL)
        way = looked_up(*slot(of_node, node, NODE_ROUNDS), number);
    if (way == NULL)
        return PyErr_Occurred() ? -1 : 0;
    Py_INCREF(walker);
    Py_INCREF(way);
    PyObject *given[] = {walker, begun, ended};
    PyObject *fits = PyObject_Vectorcall(way, given, 3, NULL);
    Py_DECREF(way);
    int status = fits == NULL ? -1 : fits == Py_True;
    Py_XDECREF(fits);
    if (status == 1) {
        long long no_id = PyLong_AsLongLong(id);
        PyObject **count = slot(of_walker, walker, WALKER_COUNT);
        long long known = *count == NULL ? 0 : PyLong_AsLongLong(*count);
        PyObject *more = PyErr_Occurred() ? NULL : PyLong_FromLongLong(known + 2);
        if (more == NULL || (no_id != -1 && note_call(of_kind, of_walker, kind, walker, id) < 0))
            status = -1;
        if (more != NULL)
            Py_XSETREF(*slot(of_walker, walker, WALKER_COUNT), more);
    }
    Py_DECREF(walker);
    return status;
}

PyDoc_STRVAR(
    walk_doc,
    "walk(kinds, begun, ended, ids, codes, start, stop, host, /)\n--\n\n"
    "Take the steps `start` to `stop` of the columns while they are rounds that fit, of `host`.\n\n"
    "The number of the first that was not taken: it has changed nothing.");

static PyObject *
walk(PyObject *module, PyObject *args)
{
    PyObject *columns[COLUMNS], *host;
    Py_ssize_t at, stop;
    if (!PyArg_ParseTuple(
            args, "O!O!O!O!O!nnU:walk", &PyList_Type, &columns[KINDS], &PyList_Type,
            &columns[BEGUN], &PyList_Type, &columns[ENDED], &PyList_Type, &columns[IDS],
            &PyList_Type, &columns[CODES], &at, &stop, &host))
        return NULL;
    for (int column = 0; column < COLUMNS; column++) {
        if (at < 0 || stop > PyList_GET_SIZE(columns[column])) {
            PyErr_SetString(PyExc_IndexError, "there are not so many steps");
            return NULL;
        }
    }
    Slots of_kind = {0}, of_walker = {0}, of_node = {0};
    for (; at < stop; at++) {
        PyObject *kind = PyList_GET_ITEM(columns[KINDS], at);
        if (slots_of(&of_kind, kind, KIND_SLOTS) < 0)
            return NULL;
        switch (take_step(
            &of_kind, &of_walker, &of_node, kind, PyList_GET_ITEM(columns[BEGUN], at),
            PyList_GET_ITEM(columns[ENDED], at), PyList_GET_ITEM(columns[IDS], at),
            PyList_GET_ITEM(columns[CODES], at), host)) {
        case 1:
            continue;
        case 0:
            return PyLong_FromSsize_t(at);
        default:
            return NULL;
        }
    }
    return PyLong_FromSsize_t(at);
}

static PyMethodDef methods[] = {
    {"read", read_lines, METH_VARARGS, read_doc},
    {"walk", walk, METH_VARARGS, walk_doc},
    {NULL, NULL, 0, NULL},
};

/* Changes whenever what these take or give does: see rhscheck.traces.paired. */
static int
set_revision(PyObject *module)
{
    return PyModule_AddIntConstant(module, "REVISION", 1);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, set_revision},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_calls",
    .m_doc = "Lines of a recording that are calls and returns, read in compiled code.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__calls(void)
{
    return PyModuleDef_Init(&definition);
}
