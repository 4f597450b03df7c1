"""What the reference can't see in imported objects: fields without a default, and what constants are for."""

import ast
import inspect
import sys
import types

import griffe


class Readable(griffe.Extension):
    """Modules show what they offer, constants and fields what their source says of them."""

    def on_module_members(self, *, node, mod, agent, **_):
        module = sys.modules[mod.path]
        offered = getattr(module, "__all__", None)
        for name, member in list(mod.members.items()):
            its = getattr(module, name, None)
            if isinstance(its, types.ModuleType) or f"{mod.path}.{name}" in sys.modules:
                continue  # other names lead through them
            if not (name in offered if offered is not None else _made_in(module, name, its)):
                del mod.members[name]
            elif not member.is_alias and member.is_attribute:
                value, text = _told(name, its)
                if " at 0x" in (member.value or ""):
                    member.value = value
                member.docstring = griffe.Docstring(text, parent=member) if text else None

    def on_class_members(self, *, node, cls, agent, **_):
        fields = {}
        for one in reversed(inspect.getmro(node.obj)):
            if one.__module__.startswith("jaxbm."):
                fields |= _fields(one)
        for name, (annotation, value, text) in fields.items():
            old = cls.members.get(name)
            if name.startswith("_") or not (text or old) or (old is not None and not old.is_attribute):
                continue
            field = griffe.Attribute(name, annotation=annotation, value=value, lineno=0, endlineno=0)
            field.docstring = griffe.Docstring(text, parent=field) if text else None
            cls.set_member(name, field)
        first = [name for name in fields if name in cls.members]
        for name in [*first, *(name for name in cls.members if name not in first)]:
            cls.members[name] = cls.members.pop(name)


def _made_in(module, name, its):
    if callable(its):
        return getattr(its, "__module__", None) == module.__name__
    return bool(_told(name, its, [module])[1])


def _told(name, its, modules=None):
    """How a constant's source writes it, and what is said of it there: below it, or above it after `#:`."""
    for module in modules or [m for n, m in sorted(sys.modules.items()) if n.startswith("jaxbm.")]:
        if vars(module).get(name) is not its:
            continue
        source = inspect.getsource(module) if getattr(module, "__file__", None) else ""
        body, lines = ast.parse(source).body, source.splitlines()
        for statement, after in zip(body, [*body[1:], None], strict=True):
            target = getattr(statement, "target", None) or (getattr(statement, "targets", None) or [None])[0]
            if isinstance(target, ast.Name) and target.id == name and statement.value is not None:
                above = []
                for line in reversed(lines[: statement.lineno - 1]):
                    if not line.startswith("#:"):
                        break
                    above.insert(0, line[2:].strip())
                return ast.get_source_segment(source, statement.value), _text(after) or " ".join(above)
    return None, ""


def _fields(cls):
    """Name to annotation, default and text: what a class's own source says of its fields."""
    source = inspect.cleandoc("\n" + inspect.getsource(cls))
    body = ast.parse(source).body[0].body
    found = {}
    for statement, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            value = None if statement.value is None else ast.unparse(statement.value)
            found[statement.target.id] = ast.unparse(statement.annotation), value, _text(after)
    return found


def _text(statement):
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return inspect.cleandoc(str(statement.value.value))
    return ""
